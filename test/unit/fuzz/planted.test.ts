// A fault would be found: each kind is planted and looked for.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { type FuzzOptions, fuzz, replay } from '../../fuzz/fuzz.ts';

const PLANTED: Omit<FuzzOptions, 'target'> = {
  seed: 20_260,
  seconds: 20,
  executions: 200_000,
  module: join(import.meta.dirname, 'planted-targets.ts'),
  limits: { hangMs: 300, growthBytes: 16 * 1024 * 1024 },
};

suite('found is', () => {
  const faults = [
    ['throws', /^crash$/, /TypeError: planted/],
    ['rejects', /^crash$/, /TypeError: planted/],
    ['hangs', /^hang$/, /never ended/],
    // On a busy machine, collecting garbage to no end lasts longer than a hang.
    ['exhausts', /^(?:crash|hang)$/, /memory|never ended|took/i],
  ] as const;
  for (const [fault, kind, detail] of faults) {
    test(`what ${fault}`, async () => {
      const target = `planted-${fault}`;
      const { finding } = await fuzz({ target, ...PLANTED });
      assert.match(finding?.kind ?? '', kind);
      assert.match(finding?.detail ?? '', detail);
      assert.match(Buffer.from(finding?.input ?? []).toString('latin1'), /k1k2/);
      if (finding?.kind === 'hang') return;
      const again = await replay(finding?.input ?? new Uint8Array(), { target, ...PLANTED });
      assert.match(again?.kind ?? '', kind);
    });
  }

  test('what grows', async () => {
    const { finding } = await fuzz({ target: 'planted-grows', ...PLANTED, seconds: 8 });
    assert.ok(finding?.kind === 'growth' || /memory/i.test(finding?.detail ?? ''), finding?.detail);
  });

  test('nothing where nothing is', async () => {
    const outcome = await fuzz({ target: 'planted-sound', ...PLANTED, executions: 3000 });
    assert.equal(outcome.finding, undefined);
    assert.ok(outcome.executions >= 3000);
  });
});
