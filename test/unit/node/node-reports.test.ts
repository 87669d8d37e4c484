import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NodeReports, type Report } from '../../../src/node/node-reports.ts';

const published = (podUid: string): Report => ({ case: 'published', value: { podUid } });
const unpublished = (podUid: string): Report => ({ case: 'unpublished', value: { podUid } });

async function take(stream: AsyncIterator<{ report: Report }>, count: number): Promise<Report[]> {
  const reports: Report[] = [];
  for (let index = 0; index < count; index += 1) {
    const { value, done } = await stream.next();
    assert.ok(done !== true);
    reports.push(value.report);
  }
  return reports;
}

test('a stream starts with what is true when it starts, and loses nothing that comes after', async () => {
  const reports = new NodeReports();
  const stop = new AbortController();
  const pods = ['a'];
  reports.add('volume/old', unpublished('old'));
  const stream = reports.stream(() => pods.map(published), stop.signal);
  // Between the making of the stream and its first report.
  pods.push('b');
  reports.add('volume/b', published('b'));
  assert.deepEqual(await take(stream, 2), [published('a'), published('b')]);
  reports.add('volume/c', published('c'));
  assert.deepEqual(await take(stream, 1), [published('c')]);
  stop.abort();
  assert.equal((await stream.next()).done, true);
});

test('of several reports of one kind for one pod only the newest waits', async () => {
  const reports = new NodeReports();
  const stop = new AbortController();
  const stream = reports.stream(() => [published('x')], stop.signal);
  await take(stream, 1);
  for (let turn = 0; turn < 1000; turn += 1) {
    reports.add('volume/a', turn % 2 === 0 ? published('a') : unpublished('a'));
  }
  reports.add('volume/end', published('end'));
  assert.deepEqual(await take(stream, 2), [unpublished('a'), published('end')]);
  stop.abort();
});

test('a stream that has ended takes nothing of what the next one is to say', async () => {
  const reports = new NodeReports();
  const [ended, next] = [new AbortController(), new AbortController()];
  const before = reports.stream(() => [], ended.signal);
  reports.add('a', published('a'));
  const first = before.next();
  reports.add('b', published('b'));
  reports.add('c', published('c'));
  await first;
  ended.abort();
  const after = reports.stream(() => [published('opening')], next.signal);
  assert.deepEqual((await after.next()).value, { report: published('opening') });
  reports.add('d', published('d'));
  assert.equal((await before.next()).done, true);
  assert.deepEqual((await after.next()).value, { report: published('d') });
});
