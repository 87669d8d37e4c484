// The gRPC server behind one volume's socket. What a pod can ask of it is bounded; what it hands
// out is that pod's alone.

import type { Clock } from '../../base/clock.ts';
import { WorkloadServer } from '../../transport/workload/workload-server.ts';
import type { ServeWorkload } from '../volume/published-volume.ts';
import { type WorkloadAnswers, workloadApi } from './workload-api.ts';

export type WorkloadEndpointOptions = {
  readonly answers: WorkloadAnswers;
  readonly clock: Clock;
};

export function workloadEndpoints(options: WorkloadEndpointOptions): ServeWorkload {
  return (pod) => new WorkloadServer({ services: [workloadApi({ ...options, pod })] });
}
