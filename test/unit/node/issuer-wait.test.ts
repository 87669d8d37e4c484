import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { type Logger, silentLogger } from '../../../src/base/log.ts';
import { IssuerAuthorities } from '../../../src/node/issuer-files.ts';
import { issuerFilesReady } from '../../../src/node/issuer-wait.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';
import { TestAuthority } from '../../fakes/test-authority.ts';

let directory: string;
const file = (name: string) => join(directory, name);
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'signet-wait-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function waiting(signal: AbortSignal) {
  const said: unknown[] = [];
  const log: Logger = { ...silentLogger, warn: (fields) => said.push(fields) };
  const clock = new FakeClock();
  const authorities = new IssuerAuthorities(file('ca.crt'), log);
  const ready = issuerFilesReady({ authorities, tokenFile: file('token'), clock, log });
  let isOver = false;
  const done = ready(signal).finally(() => {
    isOver = true;
  });
  return { said, clock, authorities, done, isOver: () => isOver };
}

/** Reading files takes real time, so time is moved until it has been used. */
async function until(clock: FakeClock, condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000 && !condition(); turn += 1) await clock.advance(1000);
  assert.ok(condition(), 'never came');
}

test('missing, then empty, then usable authorities, and a token that comes last: said once', async () => {
  const { said, clock, authorities, done, isOver } = waiting(new AbortController().signal);
  await until(clock, () => said.length === 1);
  writeFileSync(file('ca.crt'), '\n');
  await clock.advance(5000);
  assert.equal(authorities.pem, undefined);
  const { root } = await TestAuthority.create('example.org', Date.now());
  writeFileSync(file('ca.crt'), formatPemCertificate(root));
  await until(clock, () => authorities.pem !== undefined);
  await clock.advance(5000);
  assert.equal(isOver(), false, 'no token yet');
  writeFileSync(file('token'), 'abc');
  await until(clock, isOver);
  await done;
  assert.deepEqual(said, [{ message: 'issuer authorities' }]);
});

test('it ends with its signal', async () => {
  const stop = new AbortController();
  const { done } = waiting(stop.signal);
  stop.abort();
  await done;
});
