// The gRPC server behind one volume's socket. What a pod can ask of it is bounded; what it hands
// out is that pod's alone.

import type { Clock } from '../../base/clock.ts';
import { GrpcServer } from '../../transport/grpc/grpc-server.ts';
import type { ServeWorkload } from '../volume/published-volume.ts';
import { type WorkloadAnswers, workloadApi } from './workload-api.ts';

export type WorkloadEndpointOptions = {
  readonly answers: WorkloadAnswers;
  readonly clock: Clock;
};

/** Streams of one connection; a volume takes 16 connections. */
const MAX_STREAMS = 64;
/** The largest request is a token to validate. */
const MAX_REQUEST_BYTES = 64 * 1024;

export function workloadEndpoints(options: WorkloadEndpointOptions): ServeWorkload {
  return (pod) =>
    new GrpcServer({
      services: [workloadApi({ ...options, pod })],
      maxConcurrentStreams: MAX_STREAMS,
      maxReceiveBytes: MAX_REQUEST_BYTES,
    });
}
