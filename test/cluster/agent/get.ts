// `get URL`: asks a web server until it answers, ten seconds at most. (The busybox of the image cannot:
// a static one crashes when it resolves names.)

import { setTimeout as sleep } from 'node:timers/promises';
import { emit } from './output.ts';

const LIMIT_MS = 10_000;
const AGAIN_MS = 100;

export async function get([url = '']: readonly string[], stop: AbortSignal): Promise<number> {
  const limit = AbortSignal.any([stop, AbortSignal.timeout(LIMIT_MS)]);
  let error: unknown;
  while (!limit.aborted) {
    try {
      const answer = await fetch(url, { signal: limit });
      emit({ status: answer.status, text: await answer.text() });
      return 0;
    } catch (thrown) {
      error ??= thrown;
    }
    await sleep(AGAIN_MS, undefined, { signal: limit }).catch(() => {});
  }
  emit({ error: String(error) });
  return 1;
}
