// `npm run fuzz -- [--seconds N] [--target NAME]... [--seed N] [--replay FILE]`: ten minutes over all
// targets unless told otherwise. What is found is saved below `.cache/fuzz`, and the exit code is 1.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type FuzzFinding, fuzz, replay } from '../test/fuzz/fuzz.ts';
import { TARGETS } from '../test/fuzz/targets.ts';

const FOUND = join(import.meta.dirname, '../.cache/fuzz');
const DEFAULT_SECONDS = 600;
const MAX_SHOWN = 400;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: String(DEFAULT_SECONDS) },
    target: { type: 'string', multiple: true, default: TARGETS.map(({ name }) => name) },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    replay: { type: 'string' },
  },
});
const unknown = values.target.find((wanted) => !TARGETS.some(({ name }) => name === wanted));
const seconds = Number(values.seconds);
const seed = Number(values.seed);
if (unknown !== undefined || !(seconds > 0) || !Number.isSafeInteger(seed)) {
  const names = TARGETS.map(({ name }) => name).join(', ');
  console.error(`usage: npm run fuzz -- [--seconds N] [--target NAME] [--seed N] [--replay FILE]`);
  console.error(`targets: ${names}`);
  process.exit(2);
}

for (const target of values.target) {
  if (values.replay === undefined) await fuzzOne(target);
  else report(target, await replay(readFileSync(values.replay), { target, seed, seconds }));
}

async function fuzzOne(target: string): Promise<void> {
  const outcome = await fuzz({ target, seed, seconds: seconds / values.target.length });
  const { executions, corpus, blocks, growthBytes, finding } = outcome;
  console.log(JSON.stringify({ target, seed, executions, corpus, blocks, growthBytes }));
  report(target, finding);
}

function report(target: string, finding: FuzzFinding | undefined): void {
  if (finding === undefined) return;
  process.exitCode = 1;
  const { kind, detail, input } = finding;
  const name = createHash('sha256').update(input).digest('hex').slice(0, 16);
  const path = join(FOUND, target, `${kind}-${name}`);
  mkdirSync(join(FOUND, target), { recursive: true });
  writeFileSync(path, input);
  console.error(`${target}: ${kind}: ${detail}`);
  console.error(`input (${input.length} bytes, base64): ${shown(input)}`);
  console.error(`again: npm run fuzz -- --target ${target} --replay ${path}`);
}

function shown(input: Uint8Array): string {
  const text = Buffer.from(input).toString('base64');
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
