// A short run over every target's seeds and what comes of them, from a fixed random seed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzz } from '../../fuzz/fuzz.ts';
import { seedsOf } from '../../fuzz/fuzz-target.ts';
import { TARGETS } from '../../fuzz/targets.ts';

const SHORT = { seed: 20_260, seconds: 20, executions: 600 };

for (const { name } of TARGETS) {
  test(`no input breaks ${name}`, async () => {
    assert.ok(seedsOf(name).length >= 3);
    const { finding, executions, blocks } = await fuzz({ target: name, ...SHORT });
    assert.equal(finding, undefined, finding?.detail);
    assert.ok(executions >= seedsOf(name).length);
    assert.ok(blocks > 10, 'the code under test was executed');
  });
}
