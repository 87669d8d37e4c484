// Node plugins as witnesses: each keeps the newest checkpoint that an issuer has shown it, tells every
// issuer it watches of them, and of the certificates that it holds.

import { MAX_SKEW_MS } from '../../audit/audit-chain.ts';
import { type AuditEvent, type HeldByNode, note } from '../../audit/audit-log.ts';
import type { AuditTrail } from '../../audit/audit-trail.ts';
import { type Checkpoint, readCheckpoint } from '../../audit/checkpoint.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { normalSerial } from '../../spiffe/crl/crl.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import type { AuditCheckpoint, HeldSvid } from '../../transport/gen/signet/issuer_pb.ts';
import { MAX_X509_SVID_TTL } from '../authority/authority-plan.ts';
import type { NodeCaller } from '../caller.ts';
import type { HeldInventory } from '../held-inventory.ts';
import { MintLimits } from '../policy/mint-limits.ts';
import { MAX_UID_LENGTH } from '../policy/request-limits.ts';

export type NodeAuditOptions = {
  readonly trail: AuditTrail;
  readonly trustDomain: TrustDomain;
  readonly inventory: HeldInventory;
  readonly clock: Clock;
  readonly log: Logger;
};

/** Issuers that a node can have seen within the life of its process. */
const MAX_CHECKPOINTS = 64;
const MAX_SERIAL_BYTES = 21;
const SERIALS_A_LINE = 32;
/** A node that comes back with all its pods writes some lines; one that makes serials up, not many more. */
const LINES = { perSecond: 0.05, burst: 64 };
const MAX_NOTED = 200_000;
/** Of checkpoints that say something new: a report of them at once, as when a node connects, then one a minute. */
const SIGNATURES = { perSecond: MAX_CHECKPOINTS / 60, burst: MAX_CHECKPOINTS };

export class NodeAudit {
  readonly #options: NodeAuditOptions;
  readonly #limits: MintLimits;
  readonly #signatures: MintLimits;
  /** What is written down already, by node and serial, and when it ends. */
  readonly #noted = new Map<string, number>();
  #shown: { readonly from: Checkpoint; readonly as: CheckpointMessage } | undefined;

  constructor(options: NodeAuditOptions) {
    this.#options = options;
    this.#limits = new MintLimits(options.clock, LINES);
    this.#signatures = new MintLimits(options.clock, SIGNATURES);
  }

  /** What a node is to keep; undefined while nothing is signed. */
  get checkpoint(): CheckpointMessage | undefined {
    const { newest } = this.#options.trail;
    if (newest === undefined) return undefined;
    if (this.#shown?.from !== newest) this.#shown = { from: newest, as: toMessage(newest) };
    return this.#shown.as;
  }

  /** What a node was shown, by whichever issuer. */
  witnessed(checkpoints: readonly AuditCheckpoint[], { node }: NodeCaller): void {
    const { trail, trustDomain } = this.#options;
    for (const message of checkpoints.slice(0, MAX_CHECKPOINTS)) {
      const checkpoint = fromMessage(message, trustDomain);
      if (checkpoint === undefined || !trail.isNews(checkpoint)) continue;
      if (!this.#signatures.take(node, 1)) return;
      trail.witness(checkpoint, node);
    }
  }

  /** What a node holds: whatever was not signed here, the log of another replica must have. */
  held(all: readonly HeldSvid[], caller: NodeCaller): void {
    const { trail, trustDomain, log, clock } = this.#options;
    const now = clock.now();
    const strange = all.flatMap((held) => this.#strange(held, caller.node, now));
    for (let at = 0; at < strange.length; at += SERIALS_A_LINE) {
      if (!this.#limits.take(caller.node, 1)) {
        log.warn({ node: caller.node, count: strange.length - at }, 'A node reports many serials');
        return;
      }
      const part = strange.slice(at, at + SERIALS_A_LINE);
      const { node, credentialId } = caller;
      const held = part.map(({ notAfter: _, ...each }) => each);
      const event: AuditEvent = {
        event: 'SvidsHeld',
        trustDomain,
        node,
        caller: credentialId,
        held,
      };
      note(trail, log, [event]);
      for (const { serial, notAfter } of part) this.#noted.set(`${serial} ${node}`, notAfter);
    }
  }

  #strange(
    { serial: octets, podUid, entryId, notBefore, notAfter: end }: HeldSvid,
    node: string,
    now: number,
  ): readonly (HeldByNode & { readonly notAfter: number })[] {
    if (octets.length > MAX_SERIAL_BYTES || podUid.length > MAX_UID_LENGTH) return [];
    const serial = normalSerial(Buffer.from(octets).toString('hex'));
    if (serial === undefined || entryId.length > MAX_UID_LENGTH) return [];
    if (this.#options.inventory.isIssued(serial) || this.#noted.has(`${serial} ${node}`)) return [];
    const from = Number(notBefore) * 1000;
    // Of a plugin that says nothing of the beginning nothing can be told; and none that is out began
    // longer ago than any lasts, or has still to begin.
    const earliest = now - MAX_X509_SVID_TTL * 1000 - MAX_SKEW_MS;
    if (!(from >= earliest && from <= now + MAX_SKEW_MS)) return [];
    const notAfter = Math.min(Number(end) * 1000, now + MAX_X509_SVID_TTL * 1000);
    return [{ serial, podUid, entryId, notBefore: new Date(from).toISOString(), notAfter }];
  }

  /** Forgets what is over; called now and then. */
  prune(now: number): void {
    for (const [serial, notAfter] of this.#noted) {
      if (now >= notAfter || this.#noted.size > MAX_NOTED) this.#noted.delete(serial);
    }
  }
}

type CheckpointMessage = {
  readonly replica: string;
  readonly chain: string;
  readonly sequence: bigint;
  readonly hash: Uint8Array;
  readonly at: bigint;
  readonly key: string;
  readonly signature: Uint8Array;
};

/** ECMA-262 §21.4.1.1 */
const MAX_TIME = 8.64e15;

function toMessage({ hash, at, sequence, signature, ...rest }: Checkpoint): CheckpointMessage {
  return {
    replica: rest.replica,
    chain: rest.chain,
    key: rest.key,
    sequence: BigInt(sequence),
    hash: Buffer.from(hash, 'hex'),
    at: BigInt(Date.parse(at)),
    signature: Buffer.from(signature, 'base64url'),
  };
}

function fromMessage(message: AuditCheckpoint, trustDomain: TrustDomain): Checkpoint | undefined {
  const { replica, chain, sequence, hash, at, key, signature } = message;
  const ms = Number(at);
  if (!(Math.abs(ms) < MAX_TIME) || hash.length > 64 || signature.length > 256) return undefined;
  return readCheckpoint({
    trustDomain,
    replica,
    chain,
    sequence: Number(sequence),
    hash: Buffer.from(hash).toString('hex'),
    at: new Date(ms).toISOString(),
    key,
    signature: Buffer.from(signature).toString('base64url'),
  });
}
