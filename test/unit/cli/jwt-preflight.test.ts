// Each rule of each consumer: a token that keeps all of them, and one change that breaks it.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { CONSUMERS } from '../../../src/cli/jwt/consumers.ts';
import type { Report } from '../../../src/cli/jwt/preflight.ts';
import { jwtCommand } from '../../../src/cli/jwt.ts';
import { BUNDLE, DISCOVERY, JWKS, makeToken, SPIFFE_ID } from './jwt-fixtures.ts';
import { GOOD, ROWS, type Trial } from './jwt-preflight-rows.ts';
import { runCommand } from './run-command.ts';

let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'signet-jwt-'));
  mkdirSync(join(directory, 'docs/.well-known'), { recursive: true });
  writeFileSync(join(directory, 'docs/.well-known/openid-configuration'), DISCOVERY);
  writeFileSync(join(directory, 'docs/keys'), JWKS);
  writeFileSync(join(directory, 'bundle.json'), BUNDLE);
  writeFileSync(join(directory, 'many.json'), manyKeys());
});
after(() => rmSync(directory, { recursive: true }));

function manyKeys(): string {
  const { keys } = JSON.parse(JWKS) as { keys: object[] };
  const more = Array.from({ length: 100 }, (_, index) => ({ ...keys[0], kid: `more-${index}` }));
  return JSON.stringify({ keys: [...keys, ...more] });
}

async function preflight(consumer: string, trial: Trial = {}) {
  const good = GOOD.get(consumer);
  const file = join(directory, 'token');
  writeFileSync(
    file,
    makeToken({ ...good, ...trial, claims: { ...good?.claims, ...trial.claims } }),
  );
  const keys = ['vault', 'keycloak'].includes(consumer)
    ? `--keys=${join(directory, 'bundle.json')}`
    : `--documents=${join(directory, 'docs')}`;
  const flags = [keys, ...(good?.flags ?? []), ...(trial.flags ?? [])];
  const args = ['preflight', `--for=${consumer}`, `--token-file=${file}`, ...flags];
  const { code, out } = await runCommand(jwtCommand, [...args, '-o', 'json']);
  const report = JSON.parse(out) as Report;
  const not = report.findings.filter(({ status }) => status !== 'ok');
  return { code, report, not: not.map(({ check, status }) => `${check} ${status}`) };
}

for (const consumer of GOOD.keys()) {
  test(`${consumer}: a token as Signet makes it breaks no rule`, async () => {
    const { code, not, report } = await preflight(consumer);
    assert.deepEqual(not, []);
    assert.equal(code, 0);
    assert.equal(report.accepted, true);
    assert.equal(report.subject, SPIFFE_ID);
    assert.ok(report.findings.every(({ source }) => source.length > 5));
  });
}

suite('one change', () => {
  for (const [consumer, name, trial, expected] of ROWS) {
    test(`${consumer}: ${name}`, async () => {
      const { code, not } = await preflight(consumer, trial);
      assert.deepEqual(not, expected);
      assert.equal(code, expected.some((each) => each.endsWith('refused')) ? 1 : 0);
    });
  }
});

suite('keys', () => {
  const keysOf = (name: string): Trial => ({ flags: [`--keys=${join(directory, name)}`] });
  test('given to the consumer: the issuer is only compared', async () => {
    const inside = { claims: { iss: 'https://signet-oidc.signet.svc' } };
    assert.deepEqual((await preflight('anthropic', { ...inside, ...keysOf('docs/keys') })).not, []);
  });
  test('of a SPIFFE bundle are no keys of an issuer, and the other way round', async () => {
    assert.deepEqual((await preflight('anthropic', keysOf('bundle.json'))).not, [
      'signature refused',
    ]);
    assert.deepEqual((await preflight('vault', keysOf('docs/keys'))).not, ['signature refused']);
    assert.deepEqual((await preflight('keycloak', keysOf('docs/keys'))).not, []);
  });
  test('too many', async () => {
    assert.deepEqual((await preflight('aws', keysOf('many.json'))).not, ['keys refused']);
  });
  test('under authorities of one’s own are not for those who fetch by public ones', async () => {
    const own = join(directory, 'ca.pem');
    writeFileSync(own, '');
    const flags = [`--ca-file=${own}`];
    for (const name of ['aws', 'gcp']) {
      assert.deepEqual((await preflight(name, { flags })).not, ['public-tls refused']);
    }
    assert.deepEqual((await preflight('anthropic', { flags })).not, []);
    const given = [...flags, ...(keysOf('docs/keys').flags ?? [])];
    assert.deepEqual((await preflight('gcp', { flags: given })).not, []);
  });
  test('that cannot be had are a refusal, those not looked for are not', async () => {
    const { not } = await preflight('aws', { flags: ['--documents=/nowhere'] });
    assert.deepEqual(not, ['discovery refused', 'keys refused', 'signature refused']);
    const none = await preflight('aws', { flags: ['--documents=none'] });
    assert.deepEqual(none.not, [
      'public-tls unknown',
      'discovery unknown',
      'keys unknown',
      'signature unknown',
    ]);
    assert.equal(none.code, 0);
  });
});

test('every consumer of the table is tried, and what is not said is unknown and no refusal', async () => {
  const tokens = [...CONSUMERS].filter(([, { takes }]) => takes === 'token').map(([name]) => name);
  assert.deepEqual(tokens.toSorted(), [...GOOD.keys()].toSorted());
  const file = join(directory, 'plain');
  writeFileSync(file, makeToken());
  for (const name of tokens) {
    const args = ['preflight', `--for=${name}`, `--token-file=${file}`, '--documents=none'];
    const { code, out } = await runCommand(jwtCommand, args);
    assert.equal(code, 0, out);
    assert.doesNotMatch(out, /eyJ/, 'never the token');
  }
});
