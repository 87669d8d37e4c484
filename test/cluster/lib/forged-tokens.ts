// Tokens under the real signing key, each of which breaks one rule of a consumer: nothing but that rule
// can be why it is refused. Whoever can read this Secret could do the same; nobody else can.

import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { type JWTPayload, SignJWT } from 'jose';
import type { FederationRule } from '../../fakes/claude-api.ts';
import type { Cluster } from './cluster.ts';
import type { KubeObject } from './kube-object.ts';
import { SIGNET_NAMESPACE } from './signet.ts';

type Key = { readonly id: string; readonly privateKey: KeyObject };
type Deviation = {
  readonly claims?: JWTPayload;
  readonly without?: string;
  readonly header?: Readonly<Record<string, string | undefined>>;
  readonly key?: KeyObject | Uint8Array;
};
export type Forged = { readonly token: string; readonly broken: RegExp };

/** Whole ones first, then one for each rule. */
export async function forgedTokens(
  cluster: Cluster,
  rule: FederationRule,
): Promise<{ readonly good: readonly string[]; readonly bad: readonly Forged[] }> {
  const key = await jwtKey(cluster);
  const token = async (how: Deviation = {}) => await sign(key, rule, how);
  const now = Math.floor(Date.now() / 1000);
  const { privateKey: other } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const deviations: readonly (readonly [RegExp, Deviation])[] = [
    [/^token: .*signature/, { key: other }],
    [/^token: .*alg/i, { header: { alg: 'HS256' }, key: Buffer.alloc(32, 1) }],
    [/^kid$/, { header: { kid: undefined } }],
    [/^token: .*no applicable key/, { header: { kid: 'another' } }],
    [/^iss$/, { claims: { iss: 'https://other.example.org' } }],
    [/^iss$/, { without: 'iss' }],
    [/^match_audience$/, { claims: { aud: ['https://api.example.com'] } }],
    [/^match_audience$/, { without: 'aud' }],
    [/^match_subject_prefix$/, { claims: { sub: `${rule.subjectPrefix}-2` } }],
    [/^match_subject_prefix$/, { without: 'sub' }],
    [/^iat$/, { without: 'iat' }],
    [/^iat_future$/, { claims: { iat: now + 120, exp: now + 240 } }],
    [/^exp$/, { without: 'exp' }],
    [/^token: .*exp/, { claims: { iat: now - 300, exp: now - 60 } }],
    [/^lifetime$/, { claims: { exp: now + rule.maxLifeSeconds + 60 } }],
    [/^length$/, { claims: { padding: 'x'.repeat(16 * 1024) } }],
  ];
  const once = await token({ claims: { jti: 'once' } });
  const bad = await Promise.all(
    deviations.map(async ([broken, how]) => ({ broken, token: await token(how) })),
  );
  return { good: [await token(), once], bad: [{ broken: /^jti_reused$/, token: once }, ...bad] };
}

async function sign(key: Key, rule: FederationRule, how: Deviation): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const whole: JWTPayload = {
    iss: rule.issuer,
    sub: rule.subjectPrefix,
    aud: [rule.audience],
    iat: now,
    exp: now + 240,
    ...how.claims,
  };
  const claims = Object.entries(whole).filter(([name]) => name !== how.without);
  return await new SignJWT(Object.fromEntries(claims) as JWTPayload)
    .setProtectedHeader({ alg: 'RS256', kid: key.id, typ: 'JWT', ...how.header } as { alg: string })
    .sign(how.key ?? key.privateKey);
}

async function jwtKey(cluster: Cluster): Promise<Key> {
  const path = `/api/v1/namespaces/${SIGNET_NAMESPACE}/secrets/signet-issuing-keys`;
  const secret = await cluster.api.get<KubeObject & { data: Readonly<Record<string, string>> }>(
    path,
  );
  for (const value of Object.values(secret.data)) {
    const text = Buffer.from(value, 'base64').toString();
    const { keys } = JSON.parse(text) as { readonly keys: Readonly<Record<string, string>> };
    for (const [id, pkcs8] of Object.entries(keys)) {
      const der = { key: Buffer.from(pkcs8, 'base64'), type: 'pkcs8', format: 'der' } as const;
      const privateKey = createPrivateKey(der);
      if (privateKey.asymmetricKeyType === 'rsa') return { id, privateKey };
    }
  }
  throw new Error('no JWT key');
}
