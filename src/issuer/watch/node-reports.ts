// What a node plugin says on its Watch. Believed only for pods that are bound to the caller's node,
// and never to grant anything that the node could not have anyway.

import type { Clock } from '../../base/clock.ts';
import { CodedError, invalid } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { TRUST_LEVEL_CLAIM } from '../../crds/claim-names.ts';
import { normalSerial } from '../../spiffe/crl/crl.ts';
import type { HeldSvid, Hello, NodeReport } from '../../transport/gen/signet/issuer_pb.ts';
import type { NodeAudit } from '../audit/node-audit.ts';
import type { NodeCaller } from '../caller.ts';
import type { HeldInventory, HeldSerial } from '../held-inventory.ts';
import type { PodSource } from '../pod-source.ts';
import type { PublishedPods } from '../policy/published-pods.ts';
import { REASON } from '../policy/reasons.ts';
import { MAX_UID_LENGTH } from '../policy/request-limits.ts';
import type { RollbackAlarm } from './rollback-alarm.ts';

export type ReportReaderOptions = {
  readonly pods: PodSource;
  readonly published: PublishedPods;
  readonly inventory: HeldInventory;
  readonly log: Logger;
  readonly clock: Clock;
  /** Looks whether there is a newer one. */
  readonly refreshAuthorities: () => Promise<void>;
  readonly rollback: RollbackAlarm;
  /** Default: nodes are no witnesses. */
  readonly nodeAudit?: NodeAudit;
};

const MAX_HELD = 10_000;
const MAX_SERIAL_BYTES = 20;
const MAX_TRACES = 256;

/** Applies the first report. Throws when the stream must not go on. */
export async function acceptHello(
  hello: Hello,
  caller: NodeCaller,
  options: ReportReaderOptions,
): Promise<void> {
  const { pods, inventory, log, rollback } = options;
  const { node } = caller;
  if (hello.held.length > MAX_HELD) throw invalid(`held: ${hello.held.length} exceed ${MAX_HELD}`);
  // This view is older than one that the node has acted by: another replica knows more.
  if (hello.restrictionVersion > (pods.restrictionsKnownTo ?? pods.restrictionVersion)) {
    throw new CodedError('unavailable', 'the view is behind what the node has seen', {
      reason: REASON.VIEW_BEHIND,
    });
  }
  // A restored older state would revive keys that were retired.
  if (hello.bundleSequence > BigInt(rollback.sequence)) await options.refreshAuthorities();
  rollback.report(node, hello.bundleSequence);
  if (rollback.isAhead(node)) {
    log.error({ node, reason: REASON.STATE_ROLLED_BACK }, 'A node has seen a newer bundle');
    throw rolledBack();
  }
  if (rollback.isRaised) throw rolledBack();
  options.nodeAudit?.held(hello.held, caller);
  let dropped = 0;
  for (const held of hello.held) {
    const known = toHeld(held, node, pods);
    if (known === undefined) dropped += 1;
    else inventory.report(known, options.clock.now());
  }
  if (dropped > 0) log.info({ node, count: dropped }, 'A node reported serials that cannot be so');
}

// Only what a pod of this node can have: a certificate of an entry that is its own, suspended or not.
function toHeld(
  { podUid, entryId, serial, notAfter }: HeldSvid,
  node: string,
  pods: PodSource,
): HeldSerial | undefined {
  const number = serialOf(serial);
  const pod = number === undefined ? undefined : pods.pod(podUid);
  if (number === undefined || pod?.node !== node) return undefined;
  const { namespace, serviceAccount, entries, suspended = [], owners = [] } = pod;
  const entry = [...entries, ...suspended].find((each) => each.entryId === entryId);
  if (entry === undefined) return undefined;
  return {
    podUid,
    entryId,
    node,
    namespace,
    serviceAccount,
    owners,
    spiffeId: entry.spiffeId,
    trustLevel: entry.jwtClaims[TRUST_LEVEL_CLAIM] ?? '',
    serial: number,
    notAfter: Number(notAfter) * 1000,
  };
}

// As lists write it. RFC 5280 §4.1.2.2: positive, at most 20 octets.
function serialOf(octets: Uint8Array): string | undefined {
  if (octets.length > MAX_SERIAL_BYTES + 1) return undefined;
  return normalSerial(Buffer.from(octets).toString('hex'));
}

export function rolledBack(): CodedError {
  return new CodedError('unavailable', 'the authority state is older than what nodes have seen', {
    reason: REASON.STATE_ROLLED_BACK,
  });
}

/** What a report comes to for the Watch it came on. */
export type ReportEffects = {
  /** The node has applied this. */
  acknowledge(podUid: string, version: bigint): void;
  /** The node is to be told that the pod is gone. */
  gone(podUid: string): void;
};

/** Applies a later report. */
export function acceptReport(
  { report }: NodeReport,
  caller: NodeCaller,
  options: ReportReaderOptions & ReportEffects,
): void {
  const { pods, published } = options;
  const isOwn = (podUid: string) => pods.pod(podUid)?.node === caller.node;
  switch (report.case) {
    case 'published':
      if (isOwn(report.value.podUid)) published.publish(report.value.podUid);
      return;
    case 'unpublished':
      if (isOwn(report.value.podUid)) published.unpublish(report.value.podUid);
      return;
    case 'acknowledged': {
      const { podUid, version } = report.value;
      if (podUid === '' || isOwn(podUid)) options.acknowledge(podUid, version);
      return;
    }
    case 'foundTraces':
      for (const podUid of report.value.podUids.slice(0, MAX_TRACES)) {
        if (podUid.length <= MAX_UID_LENGTH && pods.isGone?.(podUid)) options.gone(podUid);
      }
      return;
    case 'witnessed':
      options.nodeAudit?.witnessed(report.value.checkpoints, caller);
      return;
    case 'hello':
      throw invalid('report: hello comes once, first');
    case undefined:
  }
}
