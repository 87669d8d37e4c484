// `claude-api PORT`: the token exchange and one call of the Claude API, by its published rules (RULE: a
// FederationRule in JSON), over TLS with the files of Signet; what tokens are checked by is found at the
// rule's issuer, as NODE_EXTRA_CA_CERTS says. `exchange URL TOKEN…` shows each token to it.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRemoteJWKSet, type JWTVerifyGetKey } from 'jose';
import { ClaudeApi, type FederationRule } from '../../fakes/claude-api.ts';
import { emit } from './output.ts';

const FILES = '/spiffe-files';
const EVERY_MS = 100;

export async function claudeApi([port]: readonly string[], stop: AbortSignal): Promise<number> {
  const rule = JSON.parse(process.env['RULE'] ?? '') as FederationRule;
  const api = new ClaudeApi(rule, keysOf(rule.issuer));
  const file = (name: string) => readFileSync(`${FILES}/${name}`, 'utf8');
  await api.startTls({ port: Number(port), cert: file('tls.crt'), key: file('tls.key') });
  emit({ listening: Number(port) });
  let told = 0;
  const timer = setInterval(() => {
    for (; told < api.history.length; told += 1) emit({ refused: api.history[told] });
  }, EVERY_MS);
  await once(stop, 'abort');
  clearInterval(timer);
  api.close();
  return 0;
}

/** As a relying party finds them: where the issuer's own document says. */
function keysOf(issuer: string): JWTVerifyGetKey {
  let keys: Promise<JWTVerifyGetKey> | undefined;
  const discovered = async (): Promise<JWTVerifyGetKey> => {
    const answer = await fetch(`${issuer}/.well-known/openid-configuration`);
    const found = (await answer.json()) as { readonly issuer: string; readonly jwks_uri: string };
    if (found.issuer !== issuer) throw new Error('the document is of another issuer');
    return createRemoteJWKSet(new URL(found.jwks_uri));
  };
  return async (header, jws) => {
    keys ??= discovered();
    try {
      return await (await keys)(header, jws);
    } catch (thrown) {
      keys = undefined;
      throw thrown;
    }
  };
}

export async function exchange([url = '', ...tokens]: readonly string[]): Promise<number> {
  for (const assertion of tokens) {
    const answer = await fetch(`${url}/v1/oauth/token`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'anthropic-beta': 'oauth-2025-04-20,oidc-federation-2026-04-01',
      },
      body: JSON.stringify({
        grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        assertion,
        federation_rule_id: process.env['ANTHROPIC_FEDERATION_RULE_ID'],
        organization_id: process.env['ANTHROPIC_ORGANIZATION_ID'],
        service_account_id: process.env['ANTHROPIC_SERVICE_ACCOUNT_ID'],
      }),
    });
    const { error } = (await answer.json()) as { readonly error?: object };
    emit({ status: answer.status, error });
  }
  return 0;
}
