// The OpenID Connect documents of a controller, over the state that the authority role leaves: a
// verifier that knows nothing of SPIFFE finds the keys, through a change of their type.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import type { OidcOptions } from '../../../src/controller/oidc.ts';
import type { AuthorityKeeper } from '../../../src/issuer/authority/authority-keeper.ts';
import type { JwtKeyType } from '../../../src/issuer/authority/authority-maker.ts';
import {
  clusterKeeper,
  clusterStore,
  rotateAuthorities,
} from '../../../src/issuer/authority/main.ts';
import {
  AuthorityView,
  type JwtSigner,
} from '../../../src/issuer/authority/signing-authorities.ts';
import { fixedAccess } from '../../../src/kube/kube-access.ts';
import { KubeClient } from '../../../src/kube/kube-client.ts';
import { parseIssuerUrl } from '../../../src/spiffe/jwt-svid/issuer-url.ts';
import { signJwt } from '../../../src/spiffe/jwt-svid/jwt-algorithm.ts';
import { assembleJwtSvid, prepareJwtSvid } from '../../../src/spiffe/jwt-svid/jwt-svid-signing.ts';
import { parseSpiffeId } from '../../../src/spiffe/spiffe-id.ts';
import { httpsGet } from '../../fakes/https-get.ts';
import { discover, verifyByDiscovery } from '../../fakes/oidc-verifier.ts';
import { MemoryAuditLog } from '../../unit/issuer/fixtures.ts';
import { CONFIG_MAPS, ControllerHarness, TRUST_DOMAIN } from './controller-harness.ts';

const ISSUER = parseIssuerUrl('https://oidc.example.org/prod', 'issuer');
const NAME = 'signet-oidc.signet.svc';
const signal = new AbortController().signal;

let cluster: ControllerHarness;
let client: KubeClient;
let port = 0;
let ca = '';
before(async () => {
  cluster = await ControllerHarness.start();
  const { url, ca: apiCa, token } = cluster.api;
  const access = fixedAccess({ url, ca: apiCa, token });
  client = new KubeClient({ access, clock: systemClock, userAgent: 'authority' });
  await rotate();
  const config = cluster.api.get(CONFIG_MAPS, 'signet-issuer-ca', 'signet');
  ca = (config?.['data'] as Record<string, string> | undefined)?.['ca.crt'] ?? '';
  const listening = Promise.withResolvers<number>();
  const oidc: OidcOptions = {
    issuer: ISSUER,
    address: { host: '127.0.0.1', port: 0 },
    hosts: [NAME],
    onListening: listening.resolve,
  };
  cluster.launch({ oidc });
  port = await listening.promise;
});
after(async () => {
  client.close();
  await cluster.stop();
});

async function rotate(
  type: JwtKeyType = 'rsa-2048',
  command?: Parameters<AuthorityKeeper['perform']>[0],
): Promise<void> {
  const common = { trustDomain: TRUST_DOMAIN, jwtKeyType: type, audit: new MemoryAuditLog() };
  const run = { ...common, clock: systemClock, log: silentLogger };
  const place = { client, namespace: 'signet', clusterDomain: 'cluster.local' };
  const keeper = clusterKeeper(place, run);
  if (command !== undefined) await keeper.perform(command);
  await rotateAuthorities(keeper, run, signal);
}

async function signer(): Promise<JwtSigner> {
  const store = clusterStore({ client, namespace: 'signet' });
  const view = new AuthorityView({ trustDomain: TRUST_DOMAIN, store });
  await view.refresh();
  const jwt = view.current.value?.jwt;
  assert.ok(jwt !== undefined);
  return jwt;
}

async function token(): Promise<string> {
  const { algorithm, authorityId: keyId, privateKey } = await signer();
  const spiffeId = parseSpiffeId(`spiffe://${TRUST_DOMAIN}/agent`);
  const dates = { issuedAt: Date.now(), expiresAt: Date.now() + 60_000 };
  const request = { algorithm, keyId, spiffeId, audience: ['db'], issuer: ISSUER, ...dates };
  const { signingInput } = prepareJwtSvid(request);
  return assembleJwtSvid(signingInput, signJwt(signingInput, privateKey));
}

const verifier = () => ({ issuer: ISSUER, port, ca, name: NAME });

async function keyIds(): Promise<readonly string[]> {
  const { body } = await httpsGet({ port, ca, name: NAME, path: '/prod/keys' });
  return (JSON.parse(body) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);
}

test('a token is verified by discovery alone, for its audience and issuer only', async () => {
  await cluster.until(
    async () => (await discover(verifier()).catch(() => undefined)) !== undefined,
  );
  const svid = await token();
  const { payload, protectedHeader } = await verifyByDiscovery(svid, 'db', verifier());
  assert.equal(payload.sub, `spiffe://${TRUST_DOMAIN}/agent`);
  assert.equal(protectedHeader.alg, 'RS256');
  await assert.rejects(verifyByDiscovery(svid, 'other', verifier()), /"aud"/);
});

test('documents are where the issuer says, and nowhere else', async () => {
  const at = async (path: string) => (await httpsGet({ port, ca, name: NAME, path })).status;
  assert.equal(await at('/prod/.well-known/openid-configuration'), 200);
  assert.equal(await at('/.well-known/openid-configuration'), 404);
  assert.equal(await at('/keys'), 404);
  const headers = { host: 'signet-webhook.signet.svc' };
  const { status } = await httpsGet({ port, ca, name: NAME, path: '/prod/keys', headers });
  assert.equal(status, 421);
});

test('a key of another type: shown before it signs, old tokens stay good, a revoked key goes', async () => {
  const old = await token();
  const [first] = await keyIds();
  await rotate('ec-p256', { verb: 'prepare', kind: 'jwt' });
  await cluster.until(async () => (await keyIds()).length === 2);
  const { id_token_signing_alg_values_supported: algorithms } = await discover(verifier());
  assert.deepEqual(algorithms, ['ES256', 'RS256']);
  assert.equal((await signer()).authorityId, first, 'it does not sign yet');
  const next = (await keyIds()).find((id) => id !== first) ?? '';
  const held = { verb: 'activate', id: next, isUrgent: false } as const;
  await assert.rejects(rotate('ec-p256', held), 'not before verifiers have it');
  await rotate('ec-p256', { ...held, isUrgent: true });
  const fresh = await token();
  const { protectedHeader } = await verifyByDiscovery(fresh, 'db', verifier());
  assert.deepEqual([protectedHeader.alg, protectedHeader.kid], ['ES256', next]);
  await verifyByDiscovery(old, 'db', verifier());
  await rotate('ec-p256', { verb: 'revoke', id: first ?? '' });
  await cluster.until(async () => !(await keyIds()).includes(first ?? ''));
  await assert.rejects(verifyByDiscovery(old, 'db', verifier()), /not allowed/);
  await verifyByDiscovery(fresh, 'db', verifier());
});
