import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SigningLane } from '../../../../src/issuer/signing/signing-lane.ts';
import { settle } from '../../../fakes/fake-clock.ts';

test('two at once, in the order asked, and no more than may wait', async () => {
  const lane = new SigningLane({ atOnce: 2, maxWaiting: 3 });
  const started: number[] = [];
  const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const runs = gates.map(async ({ promise }, index) => {
    await lane.run(async () => {
      started.push(index);
      await promise;
    });
  });
  await settle();
  assert.deepEqual(started, [0, 1]);
  await assert.rejects(
    lane.run(async () => {}),
    { code: 'unavailable' },
  );
  gates[1]?.resolve();
  await settle();
  assert.deepEqual(started, [0, 1, 2]);
  for (const { resolve } of gates) resolve();
  await Promise.all(runs);
  assert.deepEqual(started, [0, 1, 2, 3, 4]);
});

test('what fails gives its place back', async () => {
  const lane = new SigningLane({ atOnce: 1, maxWaiting: 1 });
  const fail = async () =>
    await lane.run(async () => {
      throw new Error('no');
    });
  await assert.rejects(fail(), /no/);
  await assert.rejects(fail(), /no/);
  assert.equal(await lane.run(async () => 1), 1);
});
