// One Watch: the whole view of the caller's node first, then every change, until the caller's proof
// or ten minutes run out. Ending it is the ordinary way to have the caller prove itself again.

import { type Clock, sleepUntil } from '../../base/clock.ts';
import { CodedError, invalid } from '../../base/errors.ts';
import type { NodeReport } from '../../transport/gen/signet/issuer_pb.ts';
import type { SigningAuthorities } from '../authority/signing-authorities.ts';
import type { NodeCaller } from '../caller.ts';
import type { FederationSource, PodSource } from '../pod-source.ts';
import { NodeFederation } from './node-federation.ts';
import {
  bundlesMessage,
  checkpointMessages,
  podGoneMessage,
  podMessage,
  syncedMessage,
  type ToNode,
} from './node-messages.ts';
import { acceptHello, acceptReport, type ReportReaderOptions } from './node-reports.ts';
import type { NodeSession, NodeSessions } from './node-sessions.ts';

export type NodeWatchOptions = ReportReaderOptions & {
  readonly pods: PodSource;
  readonly federation: FederationSource;
  /** Throws `unavailable` while there are none. */
  readonly authorities: () => SigningAuthorities;
  readonly sessions: NodeSessions;
  /** The complete set of revocation lists, DER; none while there is no such set. */
  readonly crls: () => readonly Uint8Array[];
};

export const MAX_WATCH_MS = 10 * 60_000;
const HELLO_WITHIN_MS = 10_000;

/** What ends a Watch from outside: the first reason counts. */
class Ending {
  readonly #stop = new AbortController();
  #error: unknown = new CodedError('unavailable', 'the watch has ended');

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get error(): unknown {
    return this.#error;
  }

  end(error: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#error = error;
    this.#stop.abort();
  }
}

export async function* watchNode(
  reports: AsyncIterable<NodeReport>,
  { caller, signal }: { readonly caller: NodeCaller; readonly signal: AbortSignal },
  options: NodeWatchOptions,
): AsyncGenerator<ToNode, void, undefined> {
  const { pods, clock, sessions, log } = options;
  const { node } = caller;
  if (!pods.isFresh()) throw new CodedError('unavailable', 'the view is too old');
  const ending = new Ending();
  const onAbort = () => ending.end(new CodedError('unavailable', 'the call has ended'));
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  const endAt = Math.min(caller.expiresAt, clock.now() + MAX_WATCH_MS);
  void endWhenOver(endAt, { ending, clock });
  const session = sessions.open(node, () =>
    ending.end(new CodedError('unavailable', 'a newer watch of this node took over')),
  );
  try {
    await readReports(reports, { caller, ending, session }, options);
    log.info({ node }, 'A node plugin watches');
    const federation = new NodeFederation(node, options);
    yield* wholeView(session, federation, options);
    yield* changes({ ...session, federation }, ending.signal, options);
    throw ending.error;
  } finally {
    ending.end(undefined);
    sessions.close(session);
    signal.removeEventListener('abort', onAbort);
  }
}

async function endWhenOver(at: number, { ending, clock }: { ending: Ending; clock: Clock }) {
  await sleepUntil(clock, at, ending.signal);
  ending.end(new CodedError('unavailable', 'the watch is over, open another one'));
}

/** Resolves after a good hello; reports after it are taken in while the watch goes on. */
async function readReports(
  reports: AsyncIterable<NodeReport>,
  context: { readonly caller: NodeCaller; readonly ending: Ending; readonly session: NodeSession },
  options: NodeWatchOptions,
): Promise<void> {
  const { caller, ending, session } = context;
  const greeted = Promise.withResolvers<void>();
  const acknowledge = (podUid: string, version: bigint) => {
    session.acknowledged.set(podUid, version);
  };
  const gone = (podUid: string) => session.outbox.addPod(podUid, true);
  const read = async () => {
    // Not `for await`: leaving it would destroy the stream before its status has gone out.
    const iterator = reports[Symbol.asyncIterator]();
    const first = await iterator.next();
    if (first.done !== true) {
      const { report } = first.value;
      if (report.case !== 'hello') throw invalid('report: hello must come first');
      await acceptHello(report.value, caller, options);
      greeted.resolve();
    }
    while (!ending.signal.aborted) {
      const { value, done } = await iterator.next();
      if (done === true) break;
      acceptReport(value, caller, { ...options, acknowledge, gone });
    }
    throw new CodedError('unavailable', 'the node has ended its reports');
  };
  void read().catch((thrown: unknown) => ending.end(thrown));
  const tooLate = new CodedError('unavailable', 'no hello in time');
  void options.clock.sleep(HELLO_WITHIN_MS, ending.signal).then(() => greeted.reject(tooLate));
  const onEnd = () => greeted.reject(ending.error);
  ending.signal.addEventListener('abort', onEnd, { once: true });
  if (ending.signal.aborted) onEnd();
  await greeted.promise;
}

function* wholeView(
  session: NodeSession,
  federation: NodeFederation,
  options: NodeWatchOptions,
): Generator<ToNode> {
  const { pods } = options;
  // What changes from here on is in the outbox; sent twice at worst.
  yield bundles(federation, options);
  const { version } = pods;
  // Names first: the view moves while a slow node reads.
  const uids = Array.from(pods.podsOn(session.node), ({ uid }) => uid);
  for (const uid of uids) {
    const pod = pods.pod(uid);
    if (pod?.node !== session.node || pod.volumes.length === 0) continue;
    if (federation.lacks(pod)) yield bundles(federation, options);
    yield podMessage(pod, federation.of);
  }
  yield syncedMessage(version);
  yield* checkpointMessages(options.nodeAudit);
}

async function* changes(
  { outbox, node, federation }: NodeSession & { readonly federation: NodeFederation },
  signal: AbortSignal,
  options: NodeWatchOptions,
): AsyncGenerator<ToNode, void, undefined> {
  const { pods } = options;
  let restrictionVersion = pods.restrictionVersion;
  for await (const _ of outbox.wakes(signal)) {
    for (;;) {
      if (signal.aborted) return;
      // Before every pod, so that no pod arrives with a view that its bundles do not know of.
      if (outbox.takeBundles() || pods.restrictionVersion !== restrictionVersion) {
        restrictionVersion = pods.restrictionVersion;
        yield bundles(federation, options);
        continue;
      }
      const taken = outbox.takePod();
      if (taken === undefined) break;
      const { podUid, isGone } = taken;
      const pod = pods.pod(podUid);
      // Not known well enough for now: the node goes on with what it was told last.
      if (pod === undefined && !isGone) continue;
      if (pod?.node !== node) yield podGoneMessage(podUid, pods.version);
      else if (pod.volumes.length > 0) {
        if (federation.lacks(pod)) yield bundles(federation, options);
        yield podMessage(pod, federation.of);
      }
    }
  }
}

function bundles(federation: NodeFederation, options: NodeWatchOptions): ToNode {
  const { authorities, pods, crls } = options;
  const { restrictionVersion } = pods;
  return bundlesMessage(authorities(), federation.take(), { restrictionVersion, crls: crls() });
}
