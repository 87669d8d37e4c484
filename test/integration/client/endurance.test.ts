// A client that lives for long: it uses no more memory after thousands of rotations than before them, and
// is itself again after hours without the other side.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { JwtSource, X509Source } from '../../../client/src/index.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';
import { FakeWorkloadApi, x509Answer } from '../../fakes/fake-workload-api.ts';
import { JwtSigner } from '../../fakes/jwt-signer.ts';
import { TestCa } from '../../fakes/test-ca.ts';
import { until } from '../process-harness.ts';

const ID = 'spiffe://example.org/agent';
const HOUR_MS = 3_600_000;
const LIMIT_MS = 30_000;
const ROTATIONS_LIMIT_MS = 400_000;
const MEGABYTE = 1024 * 1024;

const directory = mkdtempSync(join(tmpdir(), 'signet-endurance-'));
after(() => rmSync(directory, { recursive: true, force: true }));

type Use = {
  readonly rotation: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly rss: number;
  readonly open: number;
};

test('10,000 rotations use no more memory than 2,000', {
  timeout: ROTATIONS_LIMIT_MS,
}, async () => {
  const program = join(import.meta.dirname, 'rotations.ts');
  const args = ['--expose-gc', '--conditions=source', program, join(directory, 'rotations')];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const [first, withServer, last] = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Use);
  assert.deepEqual([first?.rotation, withServer?.rotation, last?.rotation], [2000, 4000, 10_000]);
  for (const later of [withServer, last]) {
    if (first === undefined || later === undefined) assert.fail(stdout);
    // Seen: 0.1 MB. One answer has 3 kB, so that keeping them all would take 20 MB.
    assert.ok(later.heapUsed - first.heapUsed < 2 * MEGABYTE, stdout);
    assert.ok(later.external - first.external < 2 * MEGABYTE, stdout);
    // Seen: 7 MB, that of the allocator. A TLS context has some 20 kB: 8,000 of them, 160 MB.
    assert.ok(later.rss - first.rss < 32 * MEGABYTE, stdout);
    assert.ok(later.open <= first.open + 2, stdout);
  }
});

test('after hours without the other side, all is as before', { timeout: 180_000 }, async (t) => {
  const clock = new FakeClock(Date.now());
  const ca = new TestCa('example.org');
  const signer = new JwtSigner('key-1');
  const api = new FakeWorkloadApi(join(directory, 'away'));
  const now = () => new Date(clock.now());
  const svidOfNow = () => {
    const notAfter = new Date(now().getTime() + HOUR_MS);
    return x509Answer(ca, [ca.svid('/agent', { notAfter })]);
  };
  api.x509Svids.set(svidOfNow());
  let token = await signer.token(ID, 'db');
  api.jwtSvid = () => ({ svids: [{ spiffeId: ID, svid: token }] });
  await api.start();
  let failures = 0;
  const source = new X509Source({
    address: api.address,
    clock,
    report: () => {
      failures += 1;
    },
  });
  const tokens = new JwtSource({ address: api.address, clock });
  t.after(async () => {
    tokens.close();
    source.close();
    await api.stop();
  });
  await source.ready(AbortSignal.timeout(LIMIT_MS));
  assert.equal((await tokens.fetch({ audience: 'db' })).token, token);

  await api.kill();
  const resources = () => process.getActiveResourcesInfo().length;
  await until(() => failures > 0, LIMIT_MS);
  const held = resources();
  const startedAt = clock.now();
  // Two and a half hours, with more attempts than a day of nobody there would have by half-minutes.
  while (clock.now() - startedAt < 2.5 * HOUR_MS) {
    const before = failures;
    await clock.advance(3000);
    await until(() => failures > before, LIMIT_MS);
  }
  assert.ok(failures >= 3000);
  assert.throws(() => source.svid, { code: 'unavailable', message: /has expired/ });
  await assert.rejects(tokens.fetch({ audience: 'db' }), { code: 'unavailable' });
  // What was closed last may still be on its way out.
  await until(() => resources() <= held + 2, LIMIT_MS);

  api.x509Svids.set(svidOfNow());
  token = await signer.token(ID, 'db', {
    claims: { exp: Math.floor(clock.now() / 1000) + 300 },
  });
  await api.start();
  await until(async () => {
    await clock.advance(3000);
    try {
      return source.svid.notAfter > clock.now();
    } catch {
      return false;
    }
  }, LIMIT_MS);
  await until(async () => {
    const fetched = await tokens.fetch({ audience: 'db' }).catch(() => undefined);
    return fetched?.token === token;
  }, LIMIT_MS);
});
