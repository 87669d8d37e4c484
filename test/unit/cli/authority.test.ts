import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { StreamAuditLog } from '../../../src/audit/stream-audit-log.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { authorityCommand } from '../../../src/cli/authority.ts';
import { AuthorityKeeper } from '../../../src/issuer/authority/authority-keeper.ts';
import { FileAuthorityStore } from '../../../src/issuer/authority/file-authority-store.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';
import { verifyLines } from '../audit/audit-harness.ts';
import { MemoryAuditLog, TRUST_DOMAIN } from '../issuer/fixtures.ts';
import { runCommand } from './run-command.ts';

let directory: string;
let flags: readonly string[];
before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'signet-authority-'));
  flags = [
    `--run-dir=${directory}`,
    `--trust-domain=${TRUST_DOMAIN}`,
    '--jwt-key-type=ec-p256',
    `--audit-log=${directory}/audit.jsonl`,
    '--log-level=error',
  ];
  const store = new FileAuthorityStore(join(directory, `authorities-${TRUST_DOMAIN}`));
  const common = { store, clock: systemClock, audit: new MemoryAuditLog(), log: silentLogger };
  await new AuthorityKeeper({
    ...common,
    trustDomain: TRUST_DOMAIN,
    jwtKeyType: 'ec-p256',
  }).settle();
});
after(() => rmSync(directory, { recursive: true }));

const run = async (...words: readonly string[]) =>
  await runCommand(authorityCommand, [...words, ...flags]);

type Shown = { authorities: { kind: string; id: string; phase: string }[] };

async function shown(): Promise<Shown> {
  return JSON.parse((await run('show', '-o', 'json')).out) as Shown;
}

test('a root is revoked by the start of its id, and everything else goes on', async () => {
  const { out: table } = await run('show');
  assert.match(table, /^trust domain example\.org, bundle sequence \d+\n\nKIND +ID +PHASE/);
  const roots = (await shown()).authorities.filter(({ kind }) => kind === 'root');
  const old = roots.find(({ phase }) => phase === 'active')?.id ?? '';
  const standby = roots.find(({ phase }) => phase === 'published')?.id ?? '';
  const { code, err } = await run('revoke', old.slice(0, 12));
  assert.equal(code, 0);
  assert.match(err, new RegExp(`^Root ${standby} signs from now on, instead of ${old}\\.`));
  const { authorities } = await shown();
  assert.ok(!authorities.some(({ id }) => id === old));
  assert.equal(authorities.find(({ id }) => id === standby)?.phase, 'active');
  assert.match(readFileSync(join(directory, 'audit.jsonl'), 'utf8'), /"ordered: revoke root"/);
});

test('what makes no sense is refused with words, before anything is opened', async () => {
  for (const words of [
    ['rotat'],
    ['show', 'more'],
    ['revoke'],
    ['prepare', 'cake'],
    ['activate', 'a', 'b'],
  ]) {
    await assert.rejects(run(...words), { code: 'invalid-argument' });
  }
  await assert.rejects(
    runCommand(authorityCommand, ['rotate', '--api-server=https://localhost:1']),
    {
      message: /--trust-domain: needed/,
    },
  );
  await assert.rejects(run('revoke', 'ffffffffffff'), { reason: 'UnknownAuthority' });
});

test('audit lines into a pipe that is full wait for its reader, and are whole', () => {
  const path = join(directory, 'lines');
  const fd = openSync(path, 'w');
  let calls = 0;
  const writer = (to: number, bytes: Uint8Array): number => {
    calls += 1;
    if (calls % 3 === 0) throw Object.assign(new Error('full'), { code: 'EAGAIN' });
    return writeSync(to, bytes.subarray(0, 40));
  };
  const log = new StreamAuditLog(fd, new FakeClock(), { write: writer });
  for (const spiffeId of ['a', 'b', 'c']) {
    log.append([{ event: 'X509SvidIssued', trustDomain: 'example.org', spiffeId }]);
  }
  closeSync(fd);
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  assert.equal(lines.length, 4);
  assert.deepEqual(verifyLines({ log: lines }).problems, []);
  const broken = new StreamAuditLog(fd, new FakeClock(), {
    write: () => {
      throw new Error('EPIPE');
    },
  });
  assert.throws(() => broken.append([{ event: 'AuthorityChanged', trustDomain: 'x' }]), {
    reason: 'AuditFailed',
  });
});
