import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecentBytes } from '../../../src/base/recent-bytes.ts';

test('what was kept is found by equal bytes, whatever becomes of those it was kept by', () => {
  const recent = new RecentBytes<string>();
  const bytes = Buffer.from('abc');
  recent.keep(bytes, 'value');
  bytes.fill(0);
  assert.equal(recent.find(Buffer.from('abc')), 'value');
  assert.equal(recent.find(bytes), undefined);
  assert.equal(recent.find(Buffer.from('abcd')), undefined);
});

test('few are kept, and none that are long', () => {
  const recent = new RecentBytes<number>();
  for (let at = 0; at < 5; at += 1) recent.keep(Buffer.from([at]), at);
  const found = [0, 1, 2, 3, 4].map((at) => recent.find(Buffer.from([at])));
  assert.deepEqual(found, [undefined, 1, 2, 3, 4]);
  recent.keep(Buffer.alloc(129), 9);
  assert.equal(recent.find(Buffer.alloc(129)), undefined);
  recent.clear();
  assert.equal(recent.find(Buffer.from([4])), undefined);
});
