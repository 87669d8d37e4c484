import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, beforeEach, test } from 'node:test';
import { MAX_ANCHORS } from '../../../src/audit/audit-anchor.ts';
import { AuditTrail } from '../../../src/audit/audit-trail.ts';
import { FileAuditLog } from '../../../src/audit/file-audit-log.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { FakeClock, settle } from '../../fakes/fake-clock.ts';
import { TRUST_DOMAIN } from '../issuer/fixtures.ts';
import {
  issued,
  MemoryAnchor,
  newSigning,
  problemsIn,
  Replica,
  type Signing,
  verifyLines,
} from './audit-harness.ts';

const clock = new FakeClock();
let signing: Signing;
let anchor: MemoryAnchor;
before(async () => {
  signing = await newSigning(clock);
});
beforeEach(() => {
  anchor = new MemoryAnchor();
});

const count = (lines: readonly string[], event: string) =>
  lines.filter((line) => line.includes(`"event":"${event}"`)).length;

test('a thousand lines are signed for at once, a few after ten seconds, and none for nothing', async () => {
  const replica = new Replica('a', { clock, signer: signing.signer }, anchor);
  const stop = new AbortController();
  const running = replica.trail.run(stop.signal);
  await settle();
  assert.equal(count(replica.lines, 'Checkpoint'), 1);
  for (let at = 0; at < 1000; at += 1) replica.issue(String(at));
  assert.equal(count(replica.lines, 'Checkpoint'), 2);
  replica.issue('1001');
  await clock.advance(9999);
  assert.equal(count(replica.lines, 'Checkpoint'), 2);
  await clock.advance(1);
  assert.equal(count(replica.lines, 'Checkpoint'), 3);
  await clock.advance(600_000);
  assert.equal(count(replica.lines, 'Checkpoint'), 3);
  replica.issue('1002');
  stop.abort();
  await running;
  await replica.trail.end();
  assert.equal(count(replica.lines, 'Checkpoint'), 4);
  const [kept] = anchor.kept.values();
  assert.equal(kept?.sequence, replica.lines.length - 1);
  assert.deepEqual(problemsIn(verifyLines({ a: replica.lines }, signing)), []);
});

test('replicas that see each other write each other down, and do not keep each other busy', async () => {
  const all = ['a', 'b', 'c'].map(
    (name) => new Replica(name, { clock, signer: signing.signer }, anchor),
  );
  const stop = new AbortController();
  const running = all.map(async ({ trail }) => await trail.run(stop.signal));
  for (const replica of all) replica.issue(replica.name);
  await clock.advance(20_000);
  const [a] = all;
  a?.issue('more');
  await clock.advance(300_000);
  const before = all.map(({ lines }) => lines.length);
  await clock.advance(600_000);
  assert.deepEqual(
    all.map(({ lines }) => lines.length),
    before,
  );
  stop.abort();
  await Promise.all(running);
  assert.ok(all.every(({ lines }) => count(lines, 'CheckpointWitnessed') > 0));
});

test('an anchor that is away holds up nothing, and is told when it is back', async () => {
  anchor.isAway = true;
  const replica = new Replica('a', { clock, signer: signing.signer }, anchor);
  replica.issue('1');
  await replica.settle();
  assert.equal(anchor.kept.size, 0);
  anchor.isAway = false;
  await replica.settle();
  assert.equal(anchor.kept.size, 1);
});

test('a log that was cut while nobody wrote is noticed at the start, and what was kept stays', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'signet-audit-'));
  const path = join(directory, 'audit.jsonl');
  const errors: string[] = [];
  const log = { ...silentLogger, error: (_: object, message: string) => void errors.push(message) };
  const run = async (times: number) => {
    const audit = new FileAuditLog(path, clock, { replica: 'a' });
    const common = { trustDomain: TRUST_DOMAIN, signer: () => signing.signer, clock, log };
    const trail = new AuditTrail({ ...common, audit, anchor });
    for (let at = 0; at < times; at += 1) trail.append([issued(String(at))]);
    await trail.settle(AbortSignal.timeout(1000));
    trail.close();
  };
  await run(20);
  const [kept] = anchor.kept.values();
  await run(1);
  assert.deepEqual(errors, []);
  truncateSync(path, 900);
  await run(1);
  assert.deepEqual(errors, ['The audit log ends before what was kept of it']);
  assert.ok((kept?.sequence ?? 0) < ([...anchor.kept.values()][0]?.sequence ?? 0));
  rmSync(directory, { recursive: true });
});

test('old anchors make room, each written down first by who takes it away', async () => {
  for (let at = 0; at < MAX_ANCHORS + 3; at += 1) {
    const gone = new Replica(`gone-${at}`, { clock, signer: signing.signer });
    gone.issue('1');
    await gone.settle();
    const { newest } = gone.trail;
    if (newest !== undefined) anchor.kept.set(newest.chain, newest);
    await clock.advance(1);
  }
  const replica = new Replica('a', { clock, signer: signing.signer }, anchor);
  replica.issue('1');
  await replica.settle();
  assert.equal(anchor.kept.size, MAX_ANCHORS + 1);
  for (const name of ['gone-0', 'gone-2']) {
    assert.ok(
      replica.lines.some((line) => line.includes(`"replica":"${name}"`)),
      name,
    );
  }
});

test('words that nobody signed, or not yet, take no room of true ones and are not written down', async () => {
  const gone = new Replica('gone', { clock, signer: signing.signer });
  gone.issue('1');
  await gone.settle();
  const word = gone.trail.newest ?? assert.fail();
  await clock.advance(1000);
  const at = new Date(clock.now()).toISOString();
  for (let each = 0; each < MAX_ANCHORS; each += 1) {
    const chain = each.toString(16).padStart(32, '0');
    const made = { ...word, chain, at };
    const key = 'f'.repeat(32);
    const kinds = [made, { ...made, at: '9998-01-01T00:00:00.000Z' }, { ...made, key }];
    anchor.kept.set(chain, kinds[each % kinds.length] ?? made);
  }
  anchor.kept.set(word.chain, word);
  const replica = new Replica('a', { clock, signer: signing.signer }, anchor);
  replica.issue('1');
  await replica.settle();
  assert.deepEqual(anchor.kept.get(word.chain), word);
  assert.equal(anchor.kept.has('0'.repeat(32)), false);
  const written = replica.lines.filter((line) => line.includes('"CheckpointWitnessed"'));
  await replica.settle();
  assert.equal(written.filter((line) => line.includes('9998-01-01')).length, 0);
  assert.equal(written.filter((line) => line.includes(`${'0'.repeat(31)}3`)).length, 0);
});
