// A log in a file that was changed while nobody wrote, and the process that goes on with it.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, before, beforeEach, test } from 'node:test';
import { digest, GENESIS } from '../../../src/audit/audit-chain.ts';
import { linesOf } from '../../../src/audit/audit-files.ts';
import { AuditTrail } from '../../../src/audit/audit-trail.ts';
import { FileAuditLog } from '../../../src/audit/file-audit-log.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';
import { TRUST_DOMAIN } from '../issuer/fixtures.ts';
import { issued, MemoryAnchor, newSigning, type Signing, verifyLines } from './audit-harness.ts';

const clock = new FakeClock();
let signing: Signing;
before(async () => {
  signing = await newSigning(clock);
});

let anchor: MemoryAnchor;
let directory: string;
let path: string;
beforeEach(async () => {
  anchor = new MemoryAnchor();
  directory = mkdtempSync(join(tmpdir(), 'signet-audit-'));
  path = join(directory, 'audit.jsonl');
  const trail = open();
  trail.append([issued('01'), issued('bad0'), issued('02')]);
  await settle(trail);
  trail.close();
  await clock.advance(60_000);
});
afterEach(() => rmSync(directory, { recursive: true }));

function open(): AuditTrail {
  const audit = new FileAuditLog(path, clock, { replica: 'a' });
  const signer = () => signing.signer;
  return new AuditTrail({
    audit,
    trustDomain: TRUST_DOMAIN,
    signer,
    anchor,
    clock,
    log: silentLogger,
  });
}

async function settle(trail: AuditTrail): Promise<void> {
  assert.equal(await trail.settle(AbortSignal.timeout(1000)), true);
}

/** Another history under the same id, as long as the true one, without a checkpoint that would not fit. */
function forge(): void {
  let previous = GENESIS;
  const forged = readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const fields = JSON.parse(line.replaceAll('bad0', 'good'));
      if (['Checkpoint', 'CheckpointKey'].includes(fields.event)) fields.event = 'BundleChanged';
      const text = JSON.stringify({ ...fields, previous });
      previous = digest(text);
      return `${text}\n`;
    });
  writeFileSync(path, forged.join(''));
}

function problems(): readonly string[] {
  const anchors = [...anchor.kept.values()];
  const { authorities } = signing;
  const report = verifyLines({ a: [...linesOf(path)] }, { anchors, authorities });
  return report.problems.map(({ problem, detail }) => `${problem} ${detail.split(' kept ')[0]}`);
}

const witnessed = () =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.includes('"CheckpointWitnessed"'));

test('what was kept of a log that goes on is in it before it is kept no more, signed for, and right', async () => {
  const [word] = anchor.kept.values();
  const trail = open();
  await settle(trail);
  assert.equal(witnessed().length, 1);
  const [kept] = anchor.kept.values();
  const all = readFileSync(path, 'utf8').trim().split('\n');
  const at = all.findIndex((line) => line.includes('"CheckpointWitnessed"')) + 1;
  assert.ok((kept?.sequence ?? 0) >= at && (word?.sequence ?? 0) < at);
  trail.witness(word ?? assert.fail(), 'n1');
  for (let again = 0; again < 3; again += 1) await settle(trail);
  assert.equal(witnessed().length, 1);
  assert.deepEqual(problems(), []);
});

test('a process that goes on with a forged history keeps the word that says so', async () => {
  forge();
  assert.deepEqual(problems(), ['Rewritten the anchor']);
  const trail = open();
  for (let again = 0; again < 3; again += 1) {
    trail.append([issued(`0${again + 3}`)]);
    await settle(trail);
  }
  assert.match(problems().join(), /^Rewritten another writer \(a:\d+\)$/);
});

test('a node’s word on lines from before the start is kept, whatever the anchor says', async () => {
  const [word] = anchor.kept.values();
  forge();
  anchor.kept.clear();
  const trail = open();
  await settle(trail);
  assert.deepEqual(problems(), []);
  for (let again = 0; again < 3; again += 1) trail.witness(word ?? assert.fail(), 'n1');
  await settle(trail);
  assert.equal(witnessed().length, 1);
  assert.match(problems().join(), /^Rewritten node n1 /);
});

test('what nobody can have signed yet, or did not sign, is no word on a log, and stops no anchoring', async () => {
  const [word] = anchor.kept.values();
  const { chain } = word ?? assert.fail();
  for (const change of [
    { sequence: 9_000_000, key: 'f'.repeat(32) },
    { sequence: 9_000_000 },
    { at: '9998-01-01T00:00:00.000Z', key: 'f'.repeat(32) },
  ]) {
    anchor.kept.set(chain, { ...(word ?? assert.fail()), ...change });
    const trail = open();
    await settle(trail);
    assert.deepEqual(anchor.kept.get(chain), trail.newest);
    trail.close();
  }
  const sequences = witnessed().map((line) => JSON.parse(line).checkpoint.sequence);
  // Of a key that this process does not have only a reader of all logs can tell.
  assert.deepEqual(sequences, [9_000_000]);
});

test('a cut end is found when as many lines were written before the anchor was asked', async () => {
  const [word] = anchor.kept.values();
  const kept = readFileSync(path, 'utf8').split('\n').slice(0, 2);
  writeFileSync(path, `${kept.join('\n')}\n`);
  const trail = open();
  trail.append(Array.from({ length: 9 }, (_, at) => issued(`1${at}`)));
  await settle(trail);
  assert.match(witnessed().join(), new RegExp(`"sequence":${word?.sequence},`));
  assert.match(problems().join(), /Rewritten another writer/);
});
