// `once`: asks for the SVID exactly once, as a program does that does not know how to wait.

import { CodedError, WorkloadApiClient } from '../../../client/src/index.ts';
import { describe, emit } from './output.ts';

export async function once(): Promise<number> {
  const client = new WorkloadApiClient();
  // Since the process started, loading this program included.
  const ms = (): number => Math.round(performance.now());
  const asked = ms();
  try {
    const context = await client.fetchX509Context();
    const [svid] = context.svids;
    const ids = context.svids.map(({ spiffeId }) => spiffeId);
    emit({ ...describe(svid), ids, domains: [...context.bundles.keys()], asked, ms: ms() });
    return 0;
  } catch (thrown) {
    const { code, message } = CodedError.from(thrown);
    emit({ error: message, code, asked, ms: ms() });
    return 1;
  } finally {
    client.close();
  }
}
