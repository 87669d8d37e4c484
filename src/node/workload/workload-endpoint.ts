// The gRPC server behind one volume's socket. What a pod can ask of it is bounded; what it hands
// out is that pod's alone.

import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { GrpcServer } from '../../transport/grpc/grpc-server.ts';
import { isSecretDiscoveryAsked } from '../secret-discovery/asked.ts';
import { secretDiscovery } from '../secret-discovery/secret-discovery.ts';
import type { ServeWorkload } from '../volume/published-volume.ts';
import { type WorkloadAnswers, workloadApi } from './workload-api.ts';

export type WorkloadEndpointOptions = {
  readonly answers: WorkloadAnswers;
  readonly clock: Clock;
  readonly log: Logger;
};

/** Streams of one connection; a volume takes 16 connections. */
const MAX_STREAMS = 64;
/** The largest request is a token to validate. */
const MAX_REQUEST_BYTES = 64 * 1024;
/** An Envoy names all its extensions in every request: 61 KiB of them in version 1.40. */
const MAX_DISCOVERY_REQUEST_BYTES = 256 * 1024;

export function workloadEndpoints(options: WorkloadEndpointOptions): ServeWorkload {
  return (pod) => {
    const services = [workloadApi({ ...options, pod })];
    const hasSecrets = isSecretDiscoveryAsked(pod);
    if (hasSecrets) services.push(secretDiscovery({ ...options, pod }));
    return new GrpcServer({
      services,
      maxConcurrentStreams: MAX_STREAMS,
      maxReceiveBytes: hasSecrets ? MAX_DISCOVERY_REQUEST_BYTES : MAX_REQUEST_BYTES,
    });
  };
}
