// What restrictions and trust levels leave of JWT-SVIDs, on every way to one: the socket, files, the
// command line and what the node had kept. It is the issuer that decides.

import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { decodeJwt, type JWTPayload } from 'jose';
import { svidCommand } from '../../../src/cli/svid.ts';
import { runCommand } from '../../unit/cli/run-command.ts';
import { until } from '../process-harness.ts';
import { DevProcess, podManifest, policyManifest, type WorkloadClient } from './dev-process.ts';

const PATIENCE_MS = 15_000;

const policy = (level: string) =>
  policyManifest('agents', {
    spiffeIDTemplate: 'spiffe://example.org/{{ .PodMeta.Namespace }}/{{ .PodMeta.Name }}',
    podSelector: { matchExpressions: [{ key: 'once', operator: 'DoesNotExist' }] },
    jwtClaimTemplates: { agent_trust_level: level, agent_owner: 'team-{{ .PodMeta.Namespace }}' },
  });
const restriction = (spec: object) =>
  JSON.stringify({
    apiVersion: 'signet.dev/v1alpha1',
    kind: 'IdentityRestriction',
    metadata: { name: 'low-trust' },
    spec,
  });

const dev = new DevProcess({
  'policy.json': policy('low'),
  'once.json': policyManifest('once', {
    spiffeIDTemplate: 'spiffe://example.org/once',
    podSelector: { matchLabels: { once: 'x' } },
    jwtIncludeJTI: true,
  }),
  'pod.json': podManifest('agent'),
  'filed.json': podManifest('filed', {
    annotations: { 'signet.dev/files': 'true', 'signet.dev/jwt-audience': 'db=db,other=other' },
  }),
  'once-pod.json': podManifest('once', { labels: { once: 'x' } }),
});
let socket = '';
let workload: WorkloadClient;
before(async () => {
  await dev.start(['--allow-keys-on-disk']);
  ({ socket } = await dev.pod('shop/agent'));
  workload = dev.workload(socket);
});
after(async () => await dev.close());

async function fetch(...audience: string[]): Promise<{ token: string; claims: JWTPayload }> {
  const { svids } = await workload.fetchJWTSVID({ audience, spiffeId: '' }, dev.call);
  const token = svids[0]?.svid ?? '';
  return { token, claims: decodeJwt(token) };
}

const refused = { code: 'permission-denied', message: /AudienceNotAllowed/ };
const isRefused = async (...audience: string[]) =>
  await fetch(...audience).then(
    () => false,
    (thrown: { message: string }) => thrown.message.includes('AudienceNotAllowed'),
  );
/** Tokens that lie in files, whatever made the directory. */
const tokenFiles = () =>
  globSync('kubelet/pods/*/volumes/*/signet-files/{,..data/}{db,other}', { cwd: dev.runDir })
    .map((path) => join(path).split('/').at(-1) ?? '')
    .toSorted();
const holds = (...names: string[]) => {
  const found = new Set(tokenFiles());
  return found.size === names.length && names.every((name) => found.has(name));
};
const command = async (audience: string) =>
  await runCommand(svidCommand, ['get', '--socket', socket, '--audience', audience, '-o', 'json']);

test('files: a token for each audience that was asked for', async () => {
  await dev.pod('shop/filed');
  await until(() => holds('db', 'other'), PATIENCE_MS);
});

test('without a list any audience is signed for, and the claims are the policy’s', async () => {
  const { token, claims } = await fetch('other');
  assert.equal((await fetch('other')).token, token, 'the node keeps it');
  const { agent_trust_level: level, agent_owner: owner, jti, iat = 0, exp = 0 } = claims;
  assert.deepEqual([level, owner, jti, exp - iat], ['low', 'team-shop', undefined, 300]);
  assert.equal((await fetch('a', 'b')).claims.sub, 'spiffe://example.org/shop/agent');
});

test('under a list: one of it at a time, on the socket and on the command line, kept tokens included', async () => {
  const match = { exceptTrustLevels: ['high'] };
  dev.write(
    'idr.json',
    restriction({ match, allowedAudiences: ['db', 'cache'], maxJWTSVIDTTL: '30s' }),
  );
  await until(async () => await isRefused('other'), PATIENCE_MS);
  await assert.rejects(fetch('db', 'cache'), refused);
  await assert.rejects(fetch('other'), refused);
  const { iat = 0, exp = 0, aud } = (await fetch('db')).claims;
  assert.deepEqual([aud, exp - iat], [['db'], 30]);
  await assert.rejects(command('other'), refused);
  const { code, out } = await command('cache');
  assert.equal(code, 0);
  assert.match(out, /"audience": \[\s+"cache"\s+\]/);
  await until(() => holds('db'), PATIENCE_MS);
});

test('another trust level is another matter, as soon as the policy says so', async () => {
  dev.write('policy.json', policy('high'));
  await until(async () => !(await isRefused('other')), PATIENCE_MS);
  const { agent_trust_level: level, iat = 0, exp = 0 } = (await fetch('other')).claims;
  assert.deepEqual([level, exp - iat], ['high', 300]);
  dev.write('policy.json', policy('hihg'));
  await until(async () => await isRefused('other'), PATIENCE_MS);
});

test('no audience at all: tokens are denied, X.509-SVIDs are not', async () => {
  dev.write('idr.json', restriction({ match: { all: true }, allowedAudiences: [] }));
  await until(async () => await isRefused('db'), PATIENCE_MS);
  await assert.rejects(command('db'), refused);
  const { code } = await runCommand(svidCommand, ['get', '--socket', socket]);
  assert.equal(code, 0);
  dev.remove('idr.json');
  await until(async () => !(await isRefused('db')), PATIENCE_MS);
});

test('a token with a jti is another one each time', async () => {
  const { socket: path } = await dev.pod('shop/once');
  const once = dev.workload(path);
  const ids = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const { svids } = await once.fetchJWTSVID({ audience: ['db'], spiffeId: '' }, dev.call);
      return decodeJwt(svids[0]?.svid ?? '').jti;
    }),
  );
  assert.ok(ids.every((id) => typeof id === 'string'));
  assert.equal(new Set(ids).size, 3);
});
