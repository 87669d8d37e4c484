// Targets with the faults that fuzzing is to find, two letters into the input.

import { invalid } from '../../../src/base/errors.ts';
import type { FuzzTarget } from '../../fuzz/fuzz-target.ts';

const kept: object[] = [];

export const TARGETS: readonly FuzzTarget[] = [
  planted('sound', () => {}),
  planted('throws', () => {
    throw new TypeError('planted');
  }),
  planted('rejects', async () => {
    throw new TypeError('planted');
  }),
  planted('hangs', () => {
    for (;;);
  }),
  planted('grows', () => {
    kept.push(Array.from({ length: 50_000 }, () => 0.5));
  }),
  planted('exhausts', () => {
    const all: object[] = [];
    for (;;) all.push(Array.from({ length: 100_000 }, () => 0.5));
  }),
];

function planted(fault: string, act: () => void | Promise<void>): FuzzTarget {
  return {
    name: `planted-${fault}`,
    dictionary: ['k1', 'k2'],
    maxBytes: 64,
    run: (input) => {
      const text = Buffer.from(input).toString('latin1');
      if (text.includes('k1k2')) return act();
      if (text === 'refused') throw invalid('refused');
      return undefined;
    },
  };
}
