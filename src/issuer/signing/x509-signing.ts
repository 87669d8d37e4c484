// Signs X.509-SVIDs in small batches: decide, sign, write the audit lines, and only then hand out.
// Between batches the event loop runs, so that no batch holds up a Watch.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AuditEvent, AuditLog } from '../../audit/audit-log.ts';
import type { Clock } from '../../base/clock.ts';
import { CodedError, type Decision, invalid, type Refused, refuse } from '../../base/errors.ts';
import { TRUST_LEVEL_CLAIM } from '../../crds/claim-names.ts';
import type { WorkloadKeyType } from '../../spiffe/x509-svid/workload-public-key.ts';
import type { IssuedX509Svid } from '../../spiffe/x509-svid/x509-svid-issuer.ts';
import type { SigningAuthorities, X509Signer } from '../authority/signing-authorities.ts';
import type { NodeCaller } from '../caller.ts';
import type { HeldInventory } from '../held-inventory.ts';
import type { IssuablePod, PodSource } from '../pod-source.ts';
import { type KeyRegistry, keyDigest } from '../policy/key-registry.ts';
import type { MintLimits } from '../policy/mint-limits.ts';
import type { PublishedPods } from '../policy/published-pods.ts';
import { REASON } from '../policy/reasons.ts';
import { checkNames, RefusalLines } from '../policy/request-limits.ts';
import {
  decideEntry,
  decideKey,
  decideX509Life,
  type Entitlement,
} from '../policy/signing-policy.ts';
import { type Asked, knownOf, ruleOf } from './audit-fields.ts';

export type X509Item = {
  readonly podUid: string;
  readonly entryId: string;
  readonly expectedSpiffeId: string;
  /** P-256 point, or SubjectPublicKeyInfo of another type. */
  readonly publicKey: Uint8Array | undefined;
};

export type SignedX509Svid = IssuedX509Svid & { readonly chain: readonly Uint8Array[] };

export type X509SigningOptions = {
  readonly pods: PodSource;
  /** Throws `unavailable` while there are none. */
  readonly authorities: () => SigningAuthorities;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly keys: KeyRegistry;
  readonly published: PublishedPods;
  readonly inventory: HeldInventory;
  /** A node renews each entry a few times an hour; what is far more is an attack or a loop. */
  readonly limits: MintLimits;
  /** Types of workloads' keys; default: all that there are. */
  readonly keyTypes?: ReadonlySet<WorkloadKeyType>;
};

export const MAX_ITEMS = 256;
const BATCH = 32;

type Signed = Entitlement & {
  readonly svid: IssuedX509Svid;
  readonly digest: string;
  readonly serial: string;
};

type Batch = { readonly caller: NodeCaller; readonly now: number; readonly signer: X509Signer };

export class X509Signing {
  readonly #options: X509SigningOptions;
  readonly #refusalLines: RefusalLines;

  constructor(options: X509SigningOptions) {
    this.#options = options;
    this.#refusalLines = new RefusalLines(options.clock);
  }

  /** One answer an item, in order. Throws when nothing of what is left may be handed out. */
  async sign(
    caller: NodeCaller,
    items: readonly X509Item[],
    signal: AbortSignal,
  ): Promise<readonly Decision<SignedX509Svid>[]> {
    if (items.length > MAX_ITEMS) throw invalid(`items: ${items.length} exceed ${MAX_ITEMS}`);
    for (const item of items) checkNames(item);
    const results: Decision<SignedX509Svid>[] = [];
    for (let at = 0; at < items.length; at += BATCH) {
      if (at > 0) await nextTurn();
      if (signal.aborted) throw new CodedError('unavailable', 'the caller went away');
      results.push(...this.signBatch(caller, items.slice(at, at + BATCH)));
    }
    return results;
  }

  /** One turn's worth, synchronous. */
  signBatch(caller: NodeCaller, items: readonly X509Item[]): Decision<SignedX509Svid>[] {
    const { audit, authorities, clock, published, pods } = this.#options;
    const now = clock.now();
    const { trustDomain, x509 } = authorities();
    if (x509.issuer.notAfter <= now) {
      throw new CodedError('unavailable', 'the X.509 authority has expired');
    }
    const batch = { caller, now, signer: x509 };
    const common = { trustDomain, node: caller.node, caller: caller.credentialId };
    const events: AuditEvent[] = [];
    const results = items.map((item): Decision<SignedX509Svid> => {
      const signed = this.#signOne(item, batch);
      if (!signed.allowed) {
        const isWritten = this.#refusalLines.take(caller.node, signed);
        if (isWritten)
          events.push(refusalOf(item, signed, { ...common, pod: pods.pod(item.podUid) }));
        return signed;
      }
      const { svid } = signed.value;
      events.push({ ...issuanceOf(signed.value, x509.authorityId), ...common });
      const chain = [svid.certificateDer, ...x509.above];
      return { allowed: true, value: { ...svid, chain } };
    });
    try {
      audit.append(events);
    } catch (thrown) {
      // Nothing of the batch gets out; it must not use up what a pod may have before it starts.
      for (const [index, { allowed }] of results.entries()) {
        const item = items[index];
        if (allowed && item) published.uncountSigned(item.podUid, item.entryId);
      }
      throw thrown;
    }
    return results;
  }

  #signOne(item: X509Item, { caller, now, signer }: Batch): Decision<Signed> {
    const { pods, keys, published, limits, inventory, keyTypes } = this.#options;
    const { podUid, entryId, publicKey } = item;
    const entitled = decideEntry({
      ...item,
      node: caller.node,
      pod: pods.pod(podUid),
      viewIsFresh: pods.isFresh(),
      now,
    });
    if (!entitled.allowed) return entitled;
    const { pod, entry } = entitled.value;
    const life = decideX509Life({
      entry,
      published: published.isPublished(podUid),
      prefetched: published.prefetched(podUid, entryId),
      authorityEnd: signer.issuer.notAfter,
      now,
    });
    if (!life.allowed) return life;
    const digest = publicKey === undefined ? '' : keyDigest(publicKey);
    const isFree = keys.mayUse(digest, podUid, now);
    const key = decideKey({ bytes: publicKey, isFree, allowedTypes: keyTypes });
    if (!key.allowed) return key;
    if (!keys.hasRoom(digest, podUid)) {
      return refuse(REASON.THROTTLED, 'pod: too many keys are in use');
    }
    if (!limits.take(podUid, 1)) return refuse(REASON.THROTTLED, 'pod: too many signatures');
    try {
      const { spiffeId, dnsNames, commonName } = entry;
      const names = { spiffeId, dnsNames, commonName };
      const svid = signer.issuer.issue({ publicKey: key.value, ...names, ...life.value });
      // Taken at once, so that the rest of the batch sees it; a batch that fails leaves at most a
      // key that is reserved for a while.
      keys.remember(digest, { holder: podUid, notAfter: svid.notAfter });
      published.countSigned(podUid, entryId);
      const serial = Buffer.from(svid.serialNumber).toString('hex');
      inventory.add({
        serial,
        notAfter: svid.notAfter,
        podUid,
        entryId,
        node: caller.node,
        namespace: pod.namespace,
        serviceAccount: pod.serviceAccount,
        spiffeId,
        trustLevel: entry.jwtClaims[TRUST_LEVEL_CLAIM] ?? '',
        ...(pod.owners === undefined ? {} : { owners: pod.owners }),
        authority: signer.authorityId,
      });
      return { allowed: true, value: { pod, entry, svid, digest, serial } };
    } catch (thrown) {
      const { code, message } = CodedError.from(thrown);
      if (code !== 'invalid-argument') throw thrown;
      return refuse(REASON.REQUEST_INVALID, message);
    }
  }
}

function refusalOf(
  { podUid, entryId }: X509Item,
  { reason, message }: Refused,
  { pod, ...asked }: Asked & { readonly pod: IssuablePod | undefined },
): AuditEvent {
  return {
    event: 'X509SvidRefused',
    decision: 'refused',
    ...asked,
    podUid,
    ...knownOf(pod, entryId),
    entryId,
    reason,
    detail: message,
  };
}

function issuanceOf({ pod, entry, svid, digest, serial }: Signed, authorityId: string) {
  return {
    event: 'X509SvidIssued',
    decision: 'allowed',
    ...ruleOf(pod, entry),
    podUid: pod.uid,
    entryId: entry.entryId,
    serial,
    keyDigest: digest,
    pop: 'channel',
    authorityId,
    notAfter: new Date(svid.notAfter).toISOString(),
  } as const;
}
