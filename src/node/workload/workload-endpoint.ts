// The gRPC server behind one volume's socket. What a pod can ask of it is bounded; what it hands
// out is that pod's alone.

import type { Clock } from '../../base/clock.ts';
import { RateLimits } from '../../base/rate-limits.ts';
import { GrpcServer } from '../../transport/grpc/grpc-server.ts';
import type { ServeWorkload } from '../volume/published-volume.ts';
import { introspection } from './introspection.ts';
import { VALIDATION_LIMIT, type WorkloadAnswers, workloadApi } from './workload-api.ts';

export type WorkloadEndpointOptions = {
  readonly answers: WorkloadAnswers;
  readonly clock: Clock;
};

/** Streams of one connection; a volume takes 16 connections. */
const MAX_STREAMS = 64;
/** The largest request is a token to validate. */
const MAX_REQUEST_BYTES = 64 * 1024;

export function workloadEndpoints(options: WorkloadEndpointOptions): ServeWorkload {
  const validations = new RateLimits(options.clock, VALIDATION_LIMIT);
  return (pod) => {
    const services = [workloadApi({ ...options, pod, validations })];
    return new GrpcServer({
      services: [...services, ...introspection(services, { ...options, pod })],
      maxConcurrentStreams: MAX_STREAMS,
      maxReceiveBytes: MAX_REQUEST_BYTES,
    });
  };
}
