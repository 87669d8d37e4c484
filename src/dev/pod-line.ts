// What a person is told of a pod.

import type { DevPod } from './dev-options.ts';

/** One pod in one line: who it is, and where its socket is. */
export function podLine({ decision, socket }: DevPod): string {
  const { pod, identities, refusal } = decision;
  const who =
    identities.length > 0
      ? identities.map(({ spiffeId }) => spiffeId).join(' ')
      : `no identity: ${refusal}`;
  return `${pod.namespace}/${pod.name}  ${who}  SPIFFE_ENDPOINT_SOCKET=unix://${socket}`;
}
