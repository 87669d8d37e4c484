// Asks the API server whose token it is. The audience is always asked for and always looked for in
// the answer: an API server that knows no audiences leaves it out, and that is a refusal.

import { isJsonObject, type JsonObject, type JsonValue, ownValue } from '../template/json-value.ts';
import type { KubeClient } from './kube-client.ts';

export type TokenReview = {
  readonly authenticated: boolean;
  readonly username: string;
  readonly audiences: readonly string[];
  readonly extra: ReadonlyMap<string, readonly string[]>;
  /** Why not, in the API server's words. */
  readonly error: string;
};

/** What the API server says of a token that is bound to a pod. */
export const EXTRA = {
  podName: 'authentication.kubernetes.io/pod-name',
  podUid: 'authentication.kubernetes.io/pod-uid',
  nodeName: 'authentication.kubernetes.io/node-name',
  credentialId: 'authentication.kubernetes.io/credential-id',
} as const;

const PATH = '/apis/authentication.k8s.io/v1/tokenreviews';
const MAX_ERROR = 200;

/** `audiences`: empty for the API server's own. Throws what the client throws. */
export async function reviewToken(
  client: KubeClient,
  token: string,
  audiences: readonly string[],
): Promise<TokenReview> {
  const spec = audiences.length === 0 ? { token } : { token, audiences };
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec };
  const answer = await client.send({ method: 'POST', path: PATH, body });
  const status = objectOf(ownValue(answer, 'status'));
  const user = objectOf(ownValue(status, 'user'));
  const extra = Object.entries(objectOf(ownValue(user, 'extra')));
  return {
    authenticated: ownValue(status, 'authenticated') === true,
    username: textOf(ownValue(user, 'username')),
    audiences: textsOf(ownValue(status, 'audiences')),
    extra: new Map(extra.map(([key, values]) => [key, textsOf(values)])),
    error: textOf(ownValue(status, 'error')).slice(0, MAX_ERROR),
  };
}

/** The value of an extra that has exactly one; '' otherwise. */
export function extraOf(review: TokenReview, key: string): string {
  const [value = '', ...more] = review.extra.get(key) ?? [];
  return more.length === 0 ? value : '';
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

function textsOf(value: JsonValue | undefined): readonly string[] {
  if (!Array.isArray(value)) return [];
  return (value as readonly JsonValue[]).filter((each) => typeof each === 'string');
}
