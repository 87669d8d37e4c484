// What tools ask of any gRPC server: its health, and what it offers. On a pod's socket both are
// behind the security header, like everything there (Workload Endpoint §3).

import type { ServiceBinding } from '../../transport/rpc.ts';
import { reflectionServices } from './reflection.ts';
import { requireWorkloadHeaders } from './security-header.ts';
import type { PodSocket } from './workload-api.ts';
import { workloadHealth } from './workload-health.ts';

/** Health and server reflection, telling of `services` and of themselves. */
export function introspection(
  services: readonly ServiceBinding[],
  pod: Pick<PodSocket, 'answers' | 'pod'>,
): readonly ServiceBinding[] {
  const names = services.map(({ service }) => service.typeName);
  const health = workloadHealth(pod, names, requireWorkloadHeaders);
  const described = [...services, health].map(({ service }) => service);
  return [health, ...reflectionServices(described, requireWorkloadHeaders)];
}
