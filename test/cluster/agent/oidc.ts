// `oidc ISSUER AUDIENCE`: has a token of its own verified by a library that knows nothing of SPIFFE, which
// finds the keys at the issuer over TLS. What it trusts there, NODE_EXTRA_CA_CERTS says.

import { setTimeout as sleep } from 'node:timers/promises';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { WorkloadApiClient } from '../../../client/src/index.ts';
import { emit } from './output.ts';

const LIMIT_MS = 60_000;
const AGAIN_MS = 500;

export async function oidc(
  [issuer = '', audience = '']: readonly string[],
  stop: AbortSignal,
): Promise<number> {
  const client = new WorkloadApiClient();
  const limit = AbortSignal.any([stop, AbortSignal.timeout(LIMIT_MS)]);
  let error: unknown;
  while (!limit.aborted) {
    try {
      const { token } = await client.fetchJwtSvid({ audience });
      const answer = await fetch(`${issuer}/.well-known/openid-configuration`, { signal: limit });
      const { jwks_uri: uri } = (await answer.json()) as { readonly jwks_uri: string };
      const keys = createRemoteJWKSet(new URL(uri));
      const { payload, protectedHeader } = await jwtVerify(token, keys, { issuer, audience });
      emit({ ...payload, alg: protectedHeader.alg, cache: answer.headers.get('cache-control') });
      return 0;
    } catch (thrown) {
      error = thrown;
    }
    await sleep(AGAIN_MS, undefined, { signal: limit }).catch(() => {});
  }
  emit({ error: String(error) });
  return 1;
}
