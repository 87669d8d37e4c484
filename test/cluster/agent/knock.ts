// `knock [fetch]`: connects to the socket every 10 ms and counts what comes of it; with `fetch`, asks
// for the SVID each time too. A line each second, and one at the end.

import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CodedError, ENDPOINT_VARIABLE, WorkloadApiClient } from '../../../client/src/index.ts';
import { emit } from './output.ts';

const EVERY_MS = 10;
const REPORT_MS = 1000;

export async function knock([mode]: readonly string[], stop: AbortSignal): Promise<number> {
  const path = (process.env[ENDPOINT_VARIABLE] ?? '').replace(/^unix:(?:\/\/)?/, '');
  const ask = mode === 'fetch' ? fetchOnce : async () => await knockOnce(path);
  const counts = { ok: 0, errors: 0, byCode: {} as Record<string, number>, longestOutageMs: 0 };
  let lastOk = performance.now();
  let reported = lastOk;
  while (!stop.aborted) {
    const error = await ask();
    const now = performance.now();
    if (error === undefined) {
      counts.ok += 1;
      lastOk = now;
    } else {
      counts.errors += 1;
      counts.byCode[error] = (counts.byCode[error] ?? 0) + 1;
      counts.longestOutageMs = Math.max(counts.longestOutageMs, Math.round(now - lastOk));
    }
    if (now - reported >= REPORT_MS) {
      reported = now;
      emit(counts);
    }
    await sleep(EVERY_MS, undefined, { signal: stop }).catch(() => {});
  }
  emit({ ...counts, done: true });
  return 0;
}

/** The code of what went wrong. */
async function knockOnce(path: string): Promise<string | undefined> {
  const socket = connect({ path });
  try {
    return await new Promise((resolve) => {
      socket.once('connect', () => resolve(undefined));
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
  } finally {
    socket.destroy();
  }
}

async function fetchOnce(): Promise<string | undefined> {
  const client = new WorkloadApiClient({ timeoutMs: 5000 });
  try {
    await client.fetchX509Context();
    return undefined;
  } catch (thrown) {
    return CodedError.from(thrown).code;
  } finally {
    client.close();
  }
}
