// What a node plugin says on its Watch. Believed only for pods that are bound to the caller's node,
// and never to grant anything that the node could not have anyway.

import type { Clock } from '../../base/clock.ts';
import { CodedError, invalid } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Hello, NodeReport } from '../../transport/gen/signet/issuer_pb.ts';
import type { NodeCaller } from '../caller.ts';
import type { HeldInventory } from '../held-inventory.ts';
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
  for (const { podUid, entryId, serial, notAfter } of hello.held) {
    if (serial.length > MAX_SERIAL_BYTES || entryId.length > MAX_UID_LENGTH) continue;
    const pod = pods.pod(podUid);
    if (pod?.node !== node || serial.length === 0) continue;
    const { namespace, serviceAccount } = pod;
    const hex = Buffer.from(serial).toString('hex');
    const held = { podUid, entryId, node, namespace, serviceAccount, serial: hex };
    inventory.report({ ...held, notAfter: Number(notAfter) * 1000 }, options.clock.now());
  }
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
    case 'hello':
      throw invalid('report: hello comes once, first');
    case undefined:
  }
}
