// Waiting for connections to end.

import assert from 'node:assert/strict';
import type { AddressInfo, Server } from 'node:net';

const LIMIT_MS = 5000;

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** What a source holds; undefined while it holds nothing. */
export function held<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

export async function settles(holds: () => boolean, what = ''): Promise<void> {
  for (const until = Date.now() + LIMIT_MS; held(holds) !== true; ) {
    if (Date.now() > until) assert.fail(`it does not come to that: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
