// The code of client/README.md, block by block, and which of it is run by a test.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const README = join(import.meta.dirname, '..', '..', '..', 'client/README.md');

export const blocks = readFileSync(README, 'utf8')
  .split('\n```ts\n')
  .slice(1)
  .map((rest) => rest.slice(0, rest.indexOf('\n```')));

/** What stands in each block that is run, and in no other one. */
export const RUN = {
  server: 'createHttpsServer({',
  client: "await fetch('https://localhost:8443/')",
  claude: 'new Anthropic(',
  undici: 'undiciConnector(',
  cutOff: '/events',
} as const;

export function blockWith(text: string): string {
  const [block, ...more] = blocks.filter((one) => one.includes(text));
  assert.ok(block !== undefined && more.length === 0, text);
  return block;
}
