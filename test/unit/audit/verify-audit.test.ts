import assert from 'node:assert/strict';
import { generateKeyPairSync, hash } from 'node:crypto';
import { before, beforeEach, test } from 'node:test';
import { FakeClock } from '../../fakes/fake-clock.ts';
import {
  MemoryAnchor,
  newSigning,
  problemsIn,
  Replica,
  type Signing,
  verifyLines,
} from './audit-harness.ts';

const clock = new FakeClock();
let signing: Signing;
before(async () => {
  signing = await newSigning(clock);
});

let anchor: MemoryAnchor;
let a: Replica;
let b: Replica;
beforeEach(async () => {
  anchor = new MemoryAnchor();
  a = new Replica('issuer-a', { clock, signer: signing.signer }, anchor);
  b = new Replica('issuer-b', { clock, signer: signing.signer }, anchor);
  a.issue('01', '02');
  b.issue('11');
  for (const each of [a, b]) await each.settle();
  a.issue('03', '04');
  await clock.advance(10_000);
  for (const each of [a, b]) await each.settle();
});

function verify(files: Readonly<Record<string, readonly string[]>>) {
  const anchors = [...anchor.kept.values()];
  return verifyLines(files, { anchors, authorities: signing.authorities });
}

const files = () => ({ a: a.lines, b: b.lines });

/** All lines from there on with digests that fit, as whoever may write the file can have them. */
function rechain(lines: readonly string[]): readonly string[] {
  let previous = '0'.repeat(64);
  return lines.map((line, at) => {
    const text = JSON.stringify({ ...JSON.parse(line), sequence: at + 1, previous });
    previous = hash('sha256', text);
    return text;
  });
}

test('two replicas that nobody touched are right, proven and confirmed to their last checkpoint', () => {
  const report = verify(files());
  assert.deepEqual(problemsIn(report), []);
  assert.deepEqual(report.notProven, []);
  assert.equal(report.ok, true);
  for (const { last, provenTo, confirmedTo, replica } of report.chains) {
    assert.ok(provenTo > 0 && provenTo >= last - 3, `${replica}: ${provenTo} of ${last}`);
    assert.equal(confirmedTo, anchor.kept.get(chainOf(replica))?.sequence);
  }
});

function chainOf(replica: string): string {
  const checkpoint = [...anchor.kept.values()].find((each) => each.replica === replica);
  return checkpoint?.chain ?? assert.fail();
}

test('an edited line is found, with its file and line', () => {
  const at = a.lines.findIndex((line) => line.includes('"serial":"03"'));
  const edited = a.lines.with(at, (a.lines[at] ?? '').replace('agent/03', 'agent/99'));
  assert.deepEqual(problemsIn(verify({ ...files(), a: edited })), [`Edited a:${at + 1}`]);
});

test('an edited line is found when every digest after it was made anew', () => {
  const edited = rechain(a.lines.map((line) => line.replace('agent/03', 'agent/99')));
  const { problems } = verify({ ...files(), a: edited });
  const at = edited.findLastIndex((line) => line.includes('"event":"Checkpoint"'));
  assert.deepEqual([problems[0]?.problem, problems[0]?.line], ['BadSignature', at + 1]);
});

test('the same without its checkpoints is found by what was kept elsewhere', () => {
  const bare = rechain(a.lines.filter((line) => !line.includes('"event":"Checkpoint"')));
  const found = verify({ ...files(), a: bare }).problems.map(({ problem }) => problem);
  assert.ok(found.includes('Rewritten') || found.includes('CutAtEnd'), found.join());
});

test('the same signed with a key of one’s own is found', async () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signer = { privateKey, certificate: signing.signer.certificate };
  const forger = new Replica('issuer-a', { clock, signer });
  forger.issue('01');
  await forger.settle();
  const found = verify({ ...files(), c: forger.lines }).problems;
  assert.deepEqual(
    found.map(({ problem }) => problem),
    ['UntrustedKey'],
  );
  const other = await newSigning(clock);
  const stranger = new Replica('issuer-a', { clock, signer: other.signer });
  stranger.issue('01');
  await stranger.settle();
  assert.match(verify({ c: stranger.lines }).problems[0]?.detail ?? '', /no serving authority/);
});

test('a cut tail is found by the anchor, and without one by the other replica', async () => {
  const cut = a.lines.slice(0, -3);
  const [found] = verify({ ...files(), a: cut }).problems;
  assert.deepEqual([found?.problem, found?.file, found?.line], ['CutAtEnd', 'a', cut.length]);
  // B has read A's checkpoint beside its own, and wrote it down.
  await b.settle();
  anchor.kept.clear();
  const short = a.lines.slice(0, 1);
  const [noticed] = verify({ ...files(), a: short }).problems;
  assert.equal(noticed?.problem, 'CutAtEnd');
  assert.match(noticed?.detail ?? '', /another writer \(b:\d+\)/);
});

test('a node that was shown a checkpoint is a witness', async () => {
  const newest = a.trail.newest ?? assert.fail();
  b.trail.witness(newest, 'node-1');
  b.trail.witness({ ...newest, chain: 'f'.repeat(32), sequence: 9 }, 'node-2');
  await b.settle();
  anchor.kept.clear();
  const found = verify({ b: b.lines }).problems.filter(({ detail }) => detail.startsWith('node '));
  assert.deepEqual(
    // What nobody signed is not written down.
    found.map(({ problem, replica, detail }) => [problem, replica, detail.split(' ')[1]]),
    [['MissingChain', 'issuer-a', 'node-1']],
  );
});

test('a missing replica is found, unless it ended before the time that was asked for', async () => {
  const { problems } = verify({ b: b.lines });
  assert.deepEqual([problems[0]?.problem, problems[0]?.replica], ['MissingChain', 'issuer-a']);
  const since = clock.now() + 1;
  const anchors = [...anchor.kept.values()];
  assert.deepEqual(verifyLines({ b: b.lines }, { anchors, since }).problems, []);
});

test('a beginning that is missing, a gap, and a line that comes twice', () => {
  const from = a.lines.slice(3);
  assert.deepEqual(problemsIn(verify({ ...files(), a: from }))[0], 'CutAtStart a:1');
  const anchors = [...anchor.kept.values()];
  const partial = verifyLines({ ...files(), a: from }, { anchors, isPartial: true });
  assert.deepEqual(problemsIn(partial), []);
  assert.deepEqual(problemsIn(verify({ ...files(), a: a.lines.toSpliced(2, 1) })), ['Gap a:3']);
  const twice = a.lines.toSpliced(2, 0, a.lines[2] ?? '');
  assert.deepEqual(problemsIn(verify({ ...files(), a: twice })), ['Repeated a:4']);
});

test('lines of a log in between, and two replicas in one file, are no trouble', () => {
  const mixed = a.lines.flatMap((line, at) => ['{"level":"info"}', line, b.lines[at] ?? '']);
  const report = verify({ all: mixed });
  assert.deepEqual(problemsIn(report), []);
  assert.equal(report.otherLines, a.lines.length);
});

test('a kept word that nobody signed is said to be that, and is no word on the lines', () => {
  const [kept] = anchor.kept.values();
  anchor.kept.set('x', { ...(kept ?? assert.fail()), sequence: 999 });
  assert.deepEqual(problemsIn(verify(files())), ['BadAnchor :0']);
});

test('a certificate that a node holds and no line issued is found', async () => {
  const held = (serial: string) => ({
    serial,
    podUid: 'p',
    entryId: 'e',
    notBefore: new Date(clock.now()).toISOString(),
  });
  const event = { event: 'SvidsHeld', trustDomain: 'example.org', node: 'node-1' } as const;
  b.trail.append([{ ...event, held: [held('03'), held('0003'), held('77')] }]);
  await b.settle();
  const { problems } = verify(files());
  assert.deepEqual(
    problems.map(({ problem, file }) => [problem, file]),
    [['Unlogged', 'b']],
  );
  assert.match(problems[0]?.detail ?? '', /node-1 holds 77/);
  const later = verifyLines(files(), { since: clock.now() + 1 });
  assert.deepEqual(problemsIn(later), []);
});
