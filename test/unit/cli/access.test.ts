import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { accessCommand } from '../../../src/cli/access.ts';
import { runCommand } from './run-command.ts';

const EXAMPLE = join(
  import.meta.dirname,
  '../../../manifests/examples/smart-city/agents/access-policy.yaml',
);
const CITY = 'spiffe://city.example/ns/smart-city/sa';
const directory = mkdtempSync(join(tmpdir(), 'signet-access-'));
after(() => rmSync(directory, { recursive: true }));

const access = async (...args: readonly string[]) => await runCommand(accessCommand, args);

test('lint: the example of the smart city', async () => {
  const { code, out } = await access('lint', '-f', EXAMPLE);
  assert.equal(code, 0);
  assert.match(out, /nothing to say/);
});

test('lint: a file that is wrong is an error, a broad rule a warning', async () => {
  const bad = join(directory, 'bad.yaml');
  writeFileSync(bad, 'kind: AccessPolicy\n');
  const { code, out } = await access('lint', '-f', bad, EXAMPLE, '-o', 'json');
  assert.equal(code, 1);
  const { findings } = JSON.parse(out) as { findings: readonly { message: string }[] };
  assert.deepEqual(
    findings.map(({ message }) => message),
    ['apiVersion: must be signet.dev/v1alpha1'],
  );
});

const explained: readonly [string, Readonly<Record<string, string>>][] = [
  ['emergency-dispatcher', { 'green-wave.request': 'dispatcher-asks-for-green-waves' }],
  ['traffic-agent', { 'signals.set': 'traffic-agent-sets-signals' }],
  ['power-optimiser', {}],
];

for (const [name, grants] of explained) {
  test(`explain: what the ${name} may do`, async () => {
    const peer = `${CITY}/${name}`;
    const { code, out } = await access('explain', '-f', EXAMPLE, '--peer', peer, '-o', 'json');
    assert.equal(code, 0);
    const { answers } = JSON.parse(out) as {
      answers: readonly { operation: string; allowed: boolean; rule: string }[];
    };
    assert.deepEqual(
      Object.fromEntries(
        answers.filter(({ allowed }) => allowed).map(({ operation, rule }) => [operation, rule]),
      ),
      { 'traffic.read': 'the-city-reads-traffic', ...grants },
    );
  });
}

test('explain: one operation, and the exit code says the answer', async () => {
  const ask = ['explain', '-f', EXAMPLE, '--operation', 'signals.set', '--peer'];
  const refused = await access(...ask, `${CITY}/power-optimiser`);
  assert.equal(refused.code, 1);
  assert.match(refused.out, /signals\.set +refused +NoRule/);
  assert.equal((await access(...ask, `${CITY}/traffic-agent`)).code, 0);
});

test('a call without files, or without who asks, is wrong', async () => {
  assert.equal((await access('lint')).code, 2);
  assert.equal((await access('grant', '-f', EXAMPLE)).code, 2);
  await assert.rejects(async () => await access('explain', '-f', EXAMPLE), {
    code: 'invalid-argument',
    message: /^--peer/,
  });
});
