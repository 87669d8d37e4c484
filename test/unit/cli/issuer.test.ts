import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { issuerCommand } from '../../../src/cli/issuer.ts';
import { FakeApiServer } from '../../fakes/fake-api-server.ts';

async function run(args: readonly string[], signal = new AbortController().signal) {
  const lines: string[] = [];
  const code = await issuerCommand(args, {
    signal,
    clock: systemClock,
    log: silentLogger,
    out: (text) => lines.push(text),
    err: (text) => lines.push(text),
    environment: {},
  });
  return { code, text: lines.join('\n') };
}

const GOOD = [
  '--trust-domain=example.org',
  '--api-server=https://localhost:1',
  `--audit-log=${join(tmpdir(), 'signet-audit-never.log')}`,
];

test('--help says what it takes', async () => {
  const { code, text } = await run(['--help']);
  assert.equal(code, 0);
  assert.match(text, /--max-staleness DURATION {2,}.*\(15m\)/);
});

test('what is needed is named, and a wrong value too', async () => {
  for (const missing of GOOD) {
    const [name] = missing.split('=') as [string];
    await assert.rejects(run(GOOD.filter((flag) => flag !== missing)), {
      code: 'invalid-argument',
      message: `${name}: needed`,
    });
  }
  for (const wrong of [
    '--trust-domain=Example.org',
    '--api-server=http://localhost:1',
    '--ignore-namespace=(',
    '--port=x',
    '--profile=lax',
    '--max-staleness=soon',
    '--nonsense',
  ]) {
    await assert.rejects(run([...GOOD, wrong]), { code: 'invalid-argument' }, wrong);
  }
  assert.equal((await run(['extra'])).code, 2);
});

test('it asks the API server with the token of its directory, and ends when told to', async () => {
  const api = await FakeApiServer.start();
  const directory = await mkdtemp(join(tmpdir(), 'signet-issuer-'));
  await writeFile(join(directory, 'token'), api.token);
  await writeFile(join(directory, 'ca.crt'), api.ca);
  const stop = new AbortController();
  const done = run(
    [
      '--trust-domain=example.org',
      `--api-server=${api.url}`,
      `--service-account-dir=${directory}`,
      `--audit-log=${join(directory, 'audit.log')}`,
      '--host=127.0.0.1',
      '--port=0',
      '--health-port=0',
      '--log-level=silent',
    ],
    stop.signal,
  );
  const start = performance.now();
  while (api.openWatches < 4 && performance.now() - start < 10_000) {
    await new Promise<void>((resolve) => {
      setTimeout(resolve, 10);
    });
  }
  assert.ok(api.openWatches >= 4);
  assert.ok(api.requests.every(({ token }) => token === 'api-token'));
  stop.abort();
  assert.equal((await done).code, 0);
  assert.equal(await readFile(join(directory, 'audit.log'), 'utf8'), '');
  await api.stop();
  await rm(directory, { recursive: true });
});
