import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Slots } from '../../../src/base/slots.ts';
import { settle } from '../../fakes/fake-clock.ts';

test('so many run at once, so many wait in order, the next one is refused', async () => {
  const slots = new Slots({ atOnce: 2, waiting: 1, what: 'things' });
  const gates = [1, 2, 3].map(() => Promise.withResolvers<void>());
  const started: number[] = [];
  const run = async (n: number) =>
    await slots.run(async () => {
      started.push(n);
      await gates[n]?.promise;
    });
  const first = [run(0), run(1), run(2)];
  await assert.rejects(run(3), { code: 'unavailable', message: 'things: too many' });
  assert.deepEqual(started, [0, 1]);
  gates[1]?.resolve();
  await settle();
  assert.deepEqual(started, [0, 1, 2]);
  gates[0]?.resolve();
  gates[2]?.resolve();
  await Promise.all(first);
});

test('work that fails gives its slot back', async () => {
  const slots = new Slots({ atOnce: 1, waiting: 0, what: 'things' });
  for (let i = 0; i < 3; i += 1) {
    await assert.rejects(
      slots.run(async () => {
        throw new Error('no');
      }),
      /no/,
    );
  }
  assert.equal(await slots.run(async () => 7), 7);
});
