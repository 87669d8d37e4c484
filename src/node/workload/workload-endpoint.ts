// The gRPC server behind one volume's socket. What a pod can ask of it is bounded; what it hands
// out is that pod's alone.

import type { Clock } from '../../base/clock.ts';
import { RateLimits } from '../../base/rate-limits.ts';
import { WorkloadServer } from '../../transport/workload/workload-server.ts';
import type { ServeWorkload } from '../volume/published-volume.ts';
import { introspection } from './introspection.ts';
import { VALIDATION_LIMIT, type WorkloadAnswers, workloadApi } from './workload-api.ts';

export type WorkloadEndpointOptions = {
  readonly answers: WorkloadAnswers;
  readonly clock: Clock;
};

export function workloadEndpoints(options: WorkloadEndpointOptions): ServeWorkload {
  const validations = new RateLimits(options.clock, VALIDATION_LIMIT);
  return (pod) => {
    const services = [workloadApi({ ...options, pod, validations })];
    return new WorkloadServer({
      services: [...services, ...introspection(services, { ...options, pod })],
    });
  };
}
