// The security header (Workload Endpoint §3): every request of every profile carries
// `workload.spiffe.io: true`, exactly once, checked before anything else. A fetch tool that is
// talked into connecting here cannot set it, and what only a browser or HTTP client sends is
// refused even if it could.

import { invalid } from '../../base/errors.ts';
import type { Call } from '../../transport/rpc.ts';

const HEADER = 'workload.spiffe.io';
const FOREIGN = /^(?:origin|cookie|referer|sec-fetch-.*)$/;

/** Admits a call; throws `invalid-argument` unless it is a Workload API client's own. */
export async function requireWorkloadHeaders(call: Call): Promise<void> {
  const values = call.metadata.get(HEADER) ?? [];
  if (values.length !== 1 || values[0] !== 'true') {
    throw invalid(`metadata ${HEADER}: must be set once, to "true"`);
  }
  refuseForeignHeaders(call);
}

/** Throws `invalid-argument` for what only a browser or an HTTP client sends. */
export function refuseForeignHeaders(call: Call): void {
  for (const name of call.metadata.keys()) {
    if (FOREIGN.test(name)) throw invalid(`metadata ${name}: not a Workload API client's`);
  }
}
