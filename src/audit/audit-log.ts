// What is written down: one line for every credential, refusal and change, before anything of it
// leaves the process. Never a private key or a token; of certificates only the one that signs the log.

import type { Logger } from '../base/log.ts';
import type { ChainHead } from './audit-chain.ts';

export type AuditEventName =
  | 'ChainStarted'
  | 'CheckpointKey'
  | 'Checkpoint'
  | 'CheckpointWitnessed'
  | 'X509SvidIssued'
  | 'X509SvidRefused'
  | 'X509SvidRevoked'
  | 'JwtSvidIssued'
  | 'JwtSvidRefused'
  | 'SvidsHeld'
  | 'RestrictionChanged'
  | 'RestrictionMade'
  | 'AuthorityChanged'
  | 'BundleChanged'
  | 'BundlePublished'
  | 'StateRolledBack';

/** Who did what to whom, and by which rule; what does not apply is left out. */
export type AuditEvent = {
  readonly event: AuditEventName;
  readonly trustDomain: string;
  readonly decision?: 'allowed' | 'refused';
  readonly node?: string;
  /** Which plugin asked: the credential id of its token. */
  readonly caller?: string;
  readonly podUid?: string;
  /** `NAMESPACE/NAME` */
  readonly pod?: string;
  readonly entryId?: string;
  /** The rule that allowed it, and which generation of it. */
  readonly policy?: string;
  readonly generation?: number;
  readonly spiffeId?: string;
  /** Lower-case hex. */
  readonly serial?: string;
  /** SHA-256 of the public key. */
  readonly keyDigest?: string;
  /** How the holder of the key is known: the channel of the node that made it. */
  readonly pop?: 'channel';
  /** SHA-256 of a JWT-SVID, its `jti`, and its audiences. */
  readonly tokenDigest?: string;
  readonly tokenId?: string;
  readonly audience?: readonly string[];
  readonly authorityId?: string;
  readonly notAfter?: string;
  /** Why not: the rule that refused it. */
  readonly reason?: string;
  readonly detail?: string;
  readonly restriction?: string;
  /** What became of an object: `set` or `removed`. */
  readonly change?: 'set' | 'removed';
  /** Of a bundle: whose it is, its sequence, and the ids of its authorities. */
  readonly bundleOf?: string;
  readonly sequenceOfBundle?: number;
  readonly authorities?: readonly string[];
  /** X.509-SVIDs that a node says it holds and that this process did not issue. */
  readonly held?: readonly HeldByNode[];
  /** Which process writes the chain, and where: the name of its pod, or of its host. */
  readonly replica?: string;
  /** Of a checkpoint; see checkpoint.ts. */
  readonly at?: string;
  readonly key?: string;
  readonly signature?: string;
  /** DER in base64, of the key that signs checkpoints from here on. */
  readonly certificate?: string;
  /** A checkpoint of another chain, as it was seen there. */
  readonly checkpoint?: Readonly<Record<string, string | number>>;
};

export type HeldByNode = {
  readonly serial: string;
  readonly podUid: string;
  readonly entryId: string;
  readonly notBefore: string;
};

/** Where lines go, all or nothing. */
export type AuditLog = {
  /** Throws `unavailable` when the lines could not be written; then nothing may be handed out. */
  append(events: readonly AuditEvent[]): void;
  /** What the next line follows; undefined where there is no chain. */
  readonly head?: ChainHead | undefined;
  close(): void;
};

/** For what has happened whether it can be written down or not: a failure goes to the log. */
export function note(
  audit: AuditLog | undefined,
  log: Logger,
  events: readonly AuditEvent[],
): void {
  try {
    audit?.append(events);
  } catch (err) {
    log.error({ err, reason: events[0]?.event ?? '' }, 'Failed to write an audit line');
  }
}
