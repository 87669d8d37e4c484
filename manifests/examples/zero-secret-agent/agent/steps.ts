// What agents here do again and again, and say what came of it.

import { setTimeout as sleep } from 'node:timers/promises';
import { me } from './identity.ts';

const EVERY_MS = 2000;

export async function step(name: string, work: () => Promise<object>): Promise<void> {
  let said: object;
  try {
    said = await work();
  } catch (thrown) {
    said = { error: thrown instanceof Error ? thrown.message : String(thrown) };
  }
  process.stdout.write(`${JSON.stringify({ step: name, me, ...said })}\n`);
}

export async function again(round: () => Promise<void>): Promise<never> {
  for (;;) {
    await round();
    await sleep(EVERY_MS);
  }
}
