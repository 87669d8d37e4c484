// `watch`: a line for each answer of the stream, and for each end of it. It asks again at once, so that
// the lines tell when something changed.

import { setTimeout as sleep } from 'node:timers/promises';
import { CodedError, WorkloadApiClient } from '../../../client/src/index.ts';
import { describe, emit } from './output.ts';

const AGAIN_MS = 50;

export async function watch(_args: readonly string[], stop: AbortSignal): Promise<number> {
  const client = new WorkloadApiClient();
  // Since the process started.
  const ms = (): number => Math.round(performance.now());
  const asked = ms();
  let last = '';
  while (!stop.aborted) {
    try {
      for await (const { svids, bundles } of client.watchX509Context(stop)) {
        last = '';
        const ids = svids.map(({ spiffeId }) => spiffeId);
        emit({
          event: 'update',
          ...describe(svids[0]),
          ids,
          domains: [...bundles.keys()],
          asked,
          ms: ms(),
        });
      }
      emit({ event: 'end' });
    } catch (thrown) {
      const { code, message } = CodedError.from(thrown);
      // The same answer again is no news.
      const line = `${code} ${message}`;
      if (line !== last && !stop.aborted) emit({ event: 'error', code, message });
      last = line;
    }
    await sleep(AGAIN_MS, undefined, { signal: stop }).catch(() => {});
  }
  client.close();
  return 0;
}
