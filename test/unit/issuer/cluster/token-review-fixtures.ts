// Tokens that an API server vouches for, as those of pods of the node plugin.

import { afterEach, beforeEach } from 'node:test';
import { type PodObject, readPod } from '../../../../src/identity/objects.ts';
import { TokenReviewAuthenticator } from '../../../../src/issuer/cluster/token-review-authenticator.ts';
import { reviewToken } from '../../../../src/kube/token-review.ts';
import type { JsonObject } from '../../../../src/template/json-value.ts';
import { KubeHarness } from '../../kube/kube-harness.ts';

export const AUDIENCE = 'signet-issuer/example.org';
export const SUBJECT = 'system:serviceaccount:signet:signet-node';

export let kube: KubeHarness;
export let pods: Map<string, PodObject>;
export let authenticator: TokenReviewAuthenticator;

/** For each test an API server of its own, and one pod of the node plugin. */
export function useAuthenticator(): void {
  beforeEach(async () => {
    kube = await KubeHarness.start();
    pods = new Map([['pod-uid', pluginPod()]]);
    authenticator = make();
  });
  afterEach(async () => {
    await kube.stop();
  });
}

export function make(whileDownMs = 0): TokenReviewAuthenticator {
  return new TokenReviewAuthenticator({
    audience: AUDIENCE,
    place: { namespace: 'signet', serviceAccount: 'signet-node', daemonSet: 'signet-node' },
    review: async (token, audiences) => await reviewToken(kube.client, token, audiences),
    pod: (uid) => pods.get(uid),
    clock: kube.clock,
    whileDownMs,
  });
}

export const OWNER = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  name: 'signet-node',
  uid: 'ds',
  controller: true,
};

export function pluginPod(
  change: { metadata?: JsonObject; spec?: JsonObject; status?: JsonObject } = {},
): PodObject {
  return readPod({
    metadata: {
      name: 'signet-node-x',
      namespace: 'signet',
      uid: 'pod-uid',
      ownerReferences: [OWNER],
      ...change.metadata,
    },
    spec: { nodeName: 'node-1', serviceAccountName: 'signet-node', ...change.spec },
    status: { phase: 'Running', ...change.status },
  });
}

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

let serial = 0;
export function token(claims: JsonObject = {}, header: JsonObject = { alg: 'RS256' }): string {
  const exp = Math.floor(kube.clock.now() / 1000) + 3600;
  const payload = { sub: SUBJECT, aud: [AUDIENCE], exp, jti: `${(serial += 1)}`, ...claims };
  return `${part(header)}.${part(payload)}.${'s'.repeat(40)}`;
}

/** A token that the API server vouches for, but for `change`. */
export function vouched(
  change: { status?: JsonObject; user?: JsonObject; extra?: JsonObject } = {},
) {
  const text = token();
  kube.api.tokens.set(text, {
    authenticated: true,
    audiences: [AUDIENCE],
    user: {
      username: SUBJECT,
      uid: 'sa',
      extra: {
        'authentication.kubernetes.io/pod-name': ['signet-node-x'],
        'authentication.kubernetes.io/pod-uid': ['pod-uid'],
        'authentication.kubernetes.io/node-name': ['node-1'],
        'authentication.kubernetes.io/credential-id': ['JTI=1'],
        ...change.extra,
      },
      ...change.user,
    },
    ...change.status,
  });
  return text;
}

export async function reasonFor(text: string): Promise<string> {
  const decision = await authenticator.authenticate(text);
  return decision.allowed ? 'allowed' : decision.reason;
}
