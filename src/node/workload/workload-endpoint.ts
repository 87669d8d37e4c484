// The gRPC server behind one volume's socket. What a pod can ask of it is bounded; what it hands
// out is that pod's alone.

import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { RateLimits } from '../../base/rate-limits.ts';
import { WorkloadServer } from '../../transport/workload/workload-server.ts';
import { isSecretDiscoveryAsked } from '../secret-discovery/asked.ts';
import { secretDiscovery } from '../secret-discovery/secret-discovery.ts';
import type { ServeWorkload } from '../volume/published-volume.ts';
import { introspection } from './introspection.ts';
import { VALIDATION_LIMIT, type WorkloadAnswers, workloadApi } from './workload-api.ts';

export type WorkloadEndpointOptions = {
  readonly answers: WorkloadAnswers;
  readonly clock: Clock;
  readonly log: Logger;
};

/** An Envoy names all its extensions in every request: 61 KiB of them in version 1.40. */
const MAX_DISCOVERY_REQUEST_BYTES = 256 * 1024;
/** It opens a stream for each secret, all at its start. */
const MAX_DISCOVERY_BUFFERED_BYTES = 8 * 1024 * 1024;

const DISCOVERY_LIMITS = {
  maxMessageBytes: MAX_DISCOVERY_REQUEST_BYTES,
  limits: { maxBufferedBytes: MAX_DISCOVERY_BUFFERED_BYTES },
};

export function workloadEndpoints(options: WorkloadEndpointOptions): ServeWorkload {
  const validations = new RateLimits(options.clock, VALIDATION_LIMIT);
  return (pod) => {
    const parts = { ...options, pod, validations };
    const services = [workloadApi(parts)];
    const hasSecrets = isSecretDiscoveryAsked(pod);
    if (hasSecrets) services.push(secretDiscovery(parts));
    return new WorkloadServer({
      services: [...services, ...introspection(services, parts)],
      ...(hasSecrets ? DISCOVERY_LIMITS : {}),
    });
  };
}
