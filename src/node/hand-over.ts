// Two instances on one node, while the plugin is replaced: the newer one makes identities ready
// before it takes any name, the older one gives way for good once its CSI socket's name is taken.

import { connect } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { CodedError } from '../base/errors.ts';
import type { Latest } from '../base/latest.ts';
import type { Logger } from '../base/log.ts';
import { Identity } from '../transport/gen/csi/csi_pb.ts';
import { createGrpcClient } from '../transport/grpc/grpc-client.ts';
import type { PluginSocket } from './csi/plugin-socket.ts';
import type { Registration } from './csi/registration.ts';
import type { PodAnswer } from './svid/pod-answer.ts';

const PROBE_TIMEOUT_MS = 2000;
/** An older instance that closes connections without ending is looked at this often. */
const LOOK_EVERY_MS = 200;
/** One pod that cannot be signed for must not keep a node on an old version. */
const SIGN_WITHIN_MS = 30_000;

/** Whether an instance serves the kubelet at this socket now. */
export async function isServed(csiEndpoint: string): Promise<boolean> {
  const client = createGrpcClient(Identity, { target: `unix:${csiEndpoint}` });
  try {
    await client.probe({}, { timeoutMs: PROBE_TIMEOUT_MS });
    return true;
  } catch {
    return false;
  } finally {
    client.close();
  }
}

/** Resolves when nobody serves there any more, or when aborted. */
export async function untilUnserved(
  csiEndpoint: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted && (await isServed(csiEndpoint))) {
    await hungUp(csiEndpoint, signal);
    if (await isServed(csiEndpoint)) await clock.sleep(LOOK_EVERY_MS, signal);
  }
}

/** A connection that says nothing: its end is heard of at once. */
async function hungUp(csiEndpoint: string, signal: AbortSignal): Promise<void> {
  const connection = connect(csiEndpoint);
  const onAbort = () => connection.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  connection.on('error', () => {});
  connection.resume();
  connection.once('end', () => connection.destroy());
  // Not `once` of node:events: that one fails with the connection, and a failed one has ended as well.
  await new Promise<void>((resolve) => {
    connection.once('close', () => resolve());
  });
  signal.removeEventListener('abort', onAbort);
}

export type Readiness = {
  readonly synced: Latest<true>;
  /** Pods with a volume, of those that the issuer's view names. */
  readonly answers: () => readonly Latest<PodAnswer>[];
  readonly clock: Clock;
};

/**
 * Resolves when what workloads ask for first can be answered: the issuer's whole view is there, and
 * each pod's SVIDs, or it is clear that it gets none. Without a view it waits for as long as the
 * older instance serves: an update that cannot reach the issuer must not replace what works.
 */
export async function untilReady(readiness: Readiness, signal: AbortSignal): Promise<void> {
  const { synced, answers, clock } = readiness;
  await synced.first(() => true, signal);
  const wait = new AbortController();
  const stop = () => wait.abort();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  void clock.sleep(SIGN_WITHIN_MS, wait.signal).then(stop);
  const isSettled = ({ kind }: PodAnswer) => kind === 'served' || kind === 'refused';
  await Promise.all(answers().map(async (answer) => await answer.first(isSettled, wait.signal)));
  signal.removeEventListener('abort', stop);
  stop();
}

/** Tells whether this instance has given way to a newer one. */
export class Seniority {
  readonly #log: Logger;
  readonly #csi: PluginSocket;
  readonly #registration: Registration | undefined;
  #hasYielded = false;

  constructor(csi: PluginSocket, registration: Registration | undefined, log: Logger) {
    this.#csi = csi;
    this.#registration = registration;
    this.#log = log;
  }

  /** Looks; once true it stays so, for two instances that take turns would never end. */
  hasYielded(): boolean {
    if (this.#hasYielded) return true;
    const isForeign = this.#csi.holder() === 'foreign' || this.#registration?.state === 'yielded';
    if (isForeign) {
      this.#hasYielded = true;
      this.#registration?.yield();
      this.#log.warn({ reason: 'NewerInstance' }, 'Gave way to a newer instance');
    }
    return this.#hasYielded;
  }

  /** Throws `unavailable`, which the kubelet tries again, with the newer instance. */
  requireCurrent(): void {
    if (!this.hasYielded()) return;
    throw new CodedError('unavailable', 'a newer instance of the node plugin serves this node');
  }
}
