import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { reportText } from '../../../src/cli/audit/text.ts';
import { auditCommand } from '../../../src/cli/audit.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';
import { MemoryAnchor, newSigning, Replica, verifyLines } from '../audit/audit-harness.ts';
import { runCommand } from './run-command.ts';

const directory = mkdtempSync(join(tmpdir(), 'signet-audit-'));
const [log, lease, ca] = ['a.log', 'lease.yaml', 'ca.crt'].map((name) => join(directory, name));
const clock = new FakeClock(Date.UTC(2026, 0, 1));
let lines: readonly string[];

before(async () => {
  const { signer, authorities } = await newSigning(clock);
  const anchor = new MemoryAnchor();
  const replica = new Replica('issuer-a', { clock, signer }, anchor);
  const common = {
    event: 'X509SvidIssued',
    trustDomain: 'example.org',
    decision: 'allowed',
  } as const;
  replica.trail.append([
    {
      ...common,
      pod: 'shop/web',
      podUid: 'u1',
      spiffeId: 'spiffe://example.org/a',
      serial: '00ab',
    },
    { ...common, pod: 'bank/web', podUid: 'u2', spiffeId: 'spiffe://example.org/b', serial: 'cd' },
  ]);
  await clock.advance(60_000);
  const refused = { ...common, event: 'X509SvidRefused', decision: 'refused' } as const;
  replica.trail.append([{ ...refused, pod: 'shop/db', podUid: 'u3', reason: 'Suspended' }]);
  await replica.settle();
  ({ lines } = replica);
  const annotations = [...anchor.kept].map(
    ([chain, kept]) => `    audit.signet.dev/${chain}: '${JSON.stringify(kept)}'\n`,
  );
  writeFileSync(lease ?? '', `kind: Lease\nmetadata:\n  annotations:\n${annotations.join('')}`);
  writeFileSync(ca ?? '', authorities.map(formatPemCertificate).join(''));
});
after(() => rmSync(directory, { recursive: true }));

async function verify(text: readonly string[], ...more: readonly string[]) {
  writeFileSync(log ?? '', `${text.join('\n')}\n`);
  const args = ['verify', log ?? '', '--anchor', lease ?? '', '--ca', ca ?? '', ...more];
  return await runCommand(auditCommand, args);
}

async function query(...args: readonly string[]): Promise<readonly string[]> {
  writeFileSync(log ?? '', `${lines.join('\n')}\n`);
  const { out } = await runCommand(auditCommand, ['query', log ?? '', '-o', 'json', ...args]);
  const { records } = JSON.parse(out) as { records: { podUid?: string }[] };
  return records.map(({ podUid }) => podUid ?? '-');
}

test('a log that is whole: 0, and how far it is signed and kept', async () => {
  const { code, out } = await verify(lines);
  assert.equal(code, 0, out);
  assert.match(out, /^issuer-a +[0-9a-f]{32} +1-\d+ /m);
  assert.match(out, /^whole$/m);
});

test('a log that is not: 1, and the first break with its file and line', async () => {
  const at = lines.findIndex((line) => line.includes('bank/web'));
  const edited = lines.with(at, (lines[at] ?? '').replace('bank/web', 'bank/wob'));
  const { code, out } = await verify(edited);
  assert.equal(code, 1);
  assert.ok(out.includes(`${log}:${at + 1}: Edited: `), out);
  const { code: cut, out: why } = await verify(lines.slice(0, 2), '-o', 'yaml');
  assert.equal(cut, 1);
  assert.match(why, /problem: CutAtEnd/);
});

test('what nodes, files and annotations are called is no command to a terminal', () => {
  const evil = 'x\u001b[2K\nwhole';
  const held = [{ serial: 'ee', podUid: evil, entryId: 'e', notBefore: '2026-01-01T00:00:00Z' }];
  const chain = 'a'.repeat(32);
  const common = { chain, sequence: 1, time: '2026-01-01T00:00:00Z', previous: '0'.repeat(64) };
  const line = JSON.stringify({ ...common, event: 'SvidsHeld', node: evil, held });
  const report = verifyLines({ [evil]: [line] });
  const text = reportText({ ...report, malformedAnchors: [evil] });
  assert.match(text, /Unlogged/);
  assert.ok(!text.includes('\u001b'), JSON.stringify(text));
  assert.doesNotMatch(text, /^whole/m);
});

test('without anything to compare with, that is said', async () => {
  writeFileSync(log ?? '', `${lines.join('\n')}\n`);
  const { code, out } = await runCommand(auditCommand, ['verify', log ?? '']);
  assert.equal(code, 0);
  assert.match(out, /not proven: no anchor given/);
  assert.match(out, /not proven: no serving authority given/);
});

test('what is asked is what is found', async () => {
  assert.deepEqual(await query('--serial', 'AB'), ['u1']);
  assert.deepEqual(await query('--serial', '00:ab'), ['u1']);
  assert.deepEqual(await query('--pod', 'web'), ['u1', 'u2']);
  assert.deepEqual(await query('--pod', 'bank/web'), ['u2']);
  assert.deepEqual(await query('--pod', 'u3'), ['u3']);
  assert.deepEqual(await query('--namespace', 'shop'), ['u1', 'u3']);
  assert.deepEqual(await query('--spiffe-id', 'spiffe://example.org/b'), ['u2']);
  assert.deepEqual(await query('--namespace', 'shop', '--until', '2026-01-01T00:01:00Z'), ['u1']);
  assert.deepEqual(await query('--namespace', 'shop', '--since', '2026-01-01T00:01:00Z'), ['u3']);
  assert.deepEqual(await query('--serial', 'ff'), []);
});

test('usage, and what makes no sense', async () => {
  assert.equal((await runCommand(auditCommand, [])).code, 2);
  assert.equal((await runCommand(auditCommand, ['verify'])).code, 2);
  assert.equal((await runCommand(auditCommand, ['verify', 'a', '--cluster'])).code, 2);
  const wrong = [
    ['query', 'a', '--since', 'yesterday'],
    ['verify', '-', 'a'],
    ['verify', 'a', '--anchor', '/nowhere'],
    ['verify', 'a', '--anchor', ca ?? ''],
    ['verify', '--run-dir', directory],
  ];
  for (const args of wrong) {
    await assert.rejects(
      runCommand(auditCommand, args),
      { code: 'invalid-argument' },
      args.join(' '),
    );
  }
  await assert.rejects(runCommand(auditCommand, ['verify', '/nowhere']), { code: 'not-found' });
});
