// What is fuzzed: a parser that meets input from outside, and what must hold of everything it takes.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CodedError } from '../../src/base/errors.ts';

export type FuzzTarget = {
  readonly name: string;
  /** Tokens of the format. */
  readonly dictionary: readonly string[];
  readonly maxBytes: number;
  /** Throws anything but a CodedError when something is wrong. */
  readonly run: (input: Uint8Array) => void | Promise<void>;
};

const SEEDS = join(import.meta.dirname, 'seeds');

/** Small inputs to begin with, one a file; those that once broke something stay there too. */
export function seedsOf(name: string): readonly Uint8Array[] {
  const folder = join(SEEDS, name);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .toSorted()
    .map((file) => new Uint8Array(readFileSync(join(folder, file))));
}

/** What `parse` gives, or undefined where it refuses in the one way that it may. */
export function accepted<T>(parse: () => T, isRefusal = isInvalidArgument): T | undefined {
  try {
    return parse();
  } catch (thrown) {
    if (isRefusal(thrown)) return undefined;
    throw thrown;
  }
}

function isInvalidArgument(thrown: unknown): boolean {
  return thrown instanceof CodedError && thrown.code === 'invalid-argument';
}

export function textOf(input: Uint8Array): string {
  return Buffer.from(input).toString('utf8');
}
