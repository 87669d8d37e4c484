// The gRPC server behind one volume's socket. What a pod can ask of it is bounded; what it hands
// out is that pod's alone.

import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { RateLimits } from '../../base/rate-limits.ts';
import { RequestMemory } from '../../transport/workload/grpc/message-reader.ts';
import { WorkloadServer } from '../../transport/workload/workload-server.ts';
import { isSecretDiscoveryAsked } from '../secret-discovery/asked.ts';
import { discoveryLimits, secretDiscovery } from '../secret-discovery/secret-discovery.ts';
import type { ServeWorkload } from '../volume/published-volume.ts';
import { introspection } from './introspection.ts';
import { VALIDATION_LIMIT, type WorkloadAnswers, workloadApi } from './workload-api.ts';

export type WorkloadEndpointOptions = {
  readonly answers: WorkloadAnswers;
  readonly clock: Clock;
  readonly log: Logger;
  readonly explainFlags?: string | undefined;
};

/** An Envoy names all its extensions in every request: 61 KiB of them in version 1.40. */
const MAX_DISCOVERY_REQUEST_BYTES = 256 * 1024;
/** It opens a stream for each secret, all at its start. */
const MAX_DISCOVERY_BUFFERED_BYTES = 8 * 1024 * 1024;

const DISCOVERY_LIMITS = {
  maxMessageBytes: MAX_DISCOVERY_REQUEST_BYTES,
  limits: { maxBufferedBytes: MAX_DISCOVERY_BUFFERED_BYTES },
};

/** Incomplete requests of a pod, on all its sockets, and of all pods together. */
const MAX_POD_BUFFERED_BYTES = MAX_DISCOVERY_BUFFERED_BYTES;
const MAX_NODE_BUFFERED_BYTES = 64 * 1024 * 1024;

export function workloadEndpoints(options: WorkloadEndpointOptions): ServeWorkload {
  const shared = {
    validations: new RateLimits(options.clock, VALIDATION_LIMIT),
    discoveryLimits: discoveryLimits(options.clock),
  };
  const memories = new PodMemories();
  return (pod) => {
    const parts = { ...options, ...shared, pod };
    const { podUid } = pod;
    const services = [workloadApi(parts)];
    const hasSecrets = isSecretDiscoveryAsked(pod);
    if (hasSecrets) services.push(secretDiscovery(parts));
    const server = new WorkloadServer({
      services: [...services, ...introspection(services, parts)],
      sharedMemory: memories.enter(podUid),
      ...(hasSecrets ? DISCOVERY_LIMITS : {}),
    });
    const leave = once(() => memories.leave(podUid));
    return {
      accept: (connection) => server.accept(connection),
      close: async () => {
        await server.close();
        leave();
      },
    };
  };
}

/** One for all sockets of a pod, as long as it has any. */
class PodMemories {
  readonly #node = new RequestMemory(MAX_NODE_BUFFERED_BYTES);
  readonly #ofPods = new Map<string, { readonly memory: RequestMemory; sockets: number }>();

  enter(podUid: string): RequestMemory {
    const memory = new RequestMemory(MAX_POD_BUFFERED_BYTES, this.#node);
    const pod = this.#ofPods.get(podUid) ?? { memory, sockets: 0 };
    this.#ofPods.set(podUid, pod);
    pod.sockets += 1;
    return pod.memory;
  }

  leave(podUid: string): void {
    const pod = this.#ofPods.get(podUid);
    if (pod === undefined) return;
    pod.sockets -= 1;
    if (pod.sockets === 0) this.#ofPods.delete(podUid);
  }
}

function once(act: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) act();
    isDone = true;
  };
}
