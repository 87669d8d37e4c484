// The security header (Workload Endpoint §3): every request of every profile carries
// `workload.spiffe.io: true`, exactly once, checked before anything else. A fetch tool that is
// talked into connecting here cannot set it, and what only a browser or HTTP client sends is
// refused even if it could.

import { invalid } from '../../base/errors.ts';
import type { SpiffeWorkloadAPI } from '../../transport/gen/spiffe/workload_pb.ts';
import type { Call, Handlers } from '../../transport/rpc.ts';

const HEADER = 'workload.spiffe.io';
const FOREIGN = /^(?:origin|cookie|referer|sec-fetch-.*)$/;

type WorkloadHandlers = Handlers<typeof SpiffeWorkloadAPI>;

/** Throws `invalid-argument` unless the call is a Workload API client's own. */
export function checkWorkloadHeaders(call: Call): void {
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

/** The same handlers, each behind the check. */
export function requireWorkloadHeaders(handlers: WorkloadHandlers): WorkloadHandlers {
  return {
    fetchX509SVID: (request, call) => checked(call, () => handlers.fetchX509SVID(request, call)),
    fetchX509Bundles: (request, call) =>
      checked(call, () => handlers.fetchX509Bundles(request, call)),
    fetchJWTBundles: (request, call) =>
      checked(call, () => handlers.fetchJWTBundles(request, call)),
    fetchWITSVID: (request, call) => checked(call, () => handlers.fetchWITSVID(request, call)),
    fetchWITBundles: (request, call) =>
      checked(call, () => handlers.fetchWITBundles(request, call)),
    fetchJWTSVID: async (request, call) => {
      checkWorkloadHeaders(call);
      return await handlers.fetchJWTSVID(request, call);
    },
    validateJWTSVID: async (request, call) => {
      checkWorkloadHeaders(call);
      return await handlers.validateJWTSVID(request, call);
    },
  };
}

async function* checked<M>(call: Call, messages: () => AsyncIterable<M>): AsyncGenerator<M> {
  checkWorkloadHeaders(call);
  yield* messages();
}
