// The SPIFFE Workload API on one pod's socket (SPIFFE_Workload_API.md). Handlers are thin: they
// turn the pod's present answer into messages. Streams show every change, and end with
// PermissionDenied when an identity is withdrawn, else with Unavailable: some clients never come
// back from a stream that ended with OK.

import type { Clock } from '../../base/clock.ts';
import { CodedError, invalid } from '../../base/errors.ts';
import type { Latest } from '../../base/latest.ts';
import type { RateLimit, RateLimits } from '../../base/rate-limits.ts';
import { SpiffeWorkloadAPI } from '../../transport/gen/spiffe/workload_pb.ts';
import {
  bindService,
  type Call,
  type Handlers,
  type ServiceBinding,
  unchangingMessage,
} from '../../transport/rpc.ts';
import type { CachedToken, JwtSvids } from '../svid/jwt-svids.ts';
import type { PodAnswer } from '../svid/pod-answer.ts';
import type { VolumeRecord } from '../volume/volume-records.ts';
import { JwtAnswers } from './jwt-answers.ts';
import { requireWorkloadHeaders } from './security-header.ts';
import { validateToken } from './token-validation.ts';
import {
  jwtBundles,
  jwtIdentities,
  type ServedAnswer,
  sameBundles,
  sameJwtBundles,
  x509Bundles,
  x509Svids,
} from './workload-messages.ts';

/** Whose socket it is, and what the pod gets. */
export type PodSocket = {
  readonly pod: VolumeRecord;
  readonly answers: WorkloadAnswers;
  readonly clock: Clock;
  /** What `signet explain` needs to know of this installation; as a shell takes it. */
  readonly explainFlags?: string | undefined;
};

type Explained = Pick<PodSocket, 'pod' | 'explainFlags'>;

export type WorkloadApiOptions = PodSocket & {
  /** By pod UID: signatures cost the processor that all pods of the node share. */
  readonly validations: RateLimits;
};

/** What a pod gets; looked up for each call, because a pod's state may be dropped and made anew. */
export type WorkloadAnswers = {
  answerOf(podUid: string): Latest<PodAnswer>;
  jwtSvidsOf(podUid: string): JwtSvids;
  isPending(podUid: string, spiffeId: string): boolean;
};

/** How long a call waits for a first answer right after a start, before it says Unavailable. */
const FIRST_ANSWER_WAIT_MS = 3000;
const MAX_AUDIENCES = 10;
/** A few hundredths of a core. */
export const VALIDATION_LIMIT: RateLimit = { perSecond: 200, burst: 400 };
const MAX_AUDIENCE_BYTES = 1024;

export function workloadApi(options: WorkloadApiOptions): ServiceBinding {
  const jwtAnswers = new JwtAnswers();
  const handlers: Handlers<typeof SpiffeWorkloadAPI> = {
    fetchX509SVID: (_request, call) => follow(options, call, X509_SVIDS),
    fetchX509Bundles: (_request, call) => follow(options, call, X509_BUNDLES),
    fetchJWTBundles: (_request, call) => follow(options, call, JWT_BUNDLES),
    fetchJWTSVID: async (request, call) => {
      requireAudience(request.audience);
      const served = await firstServed(options, call);
      const jwtSvids = options.answers.jwtSvidsOf(options.pod.podUid);
      const standing = jwtAnswers.find(request, { served, jwtSvids }, options.clock.now());
      if (standing !== undefined) return standing;
      const identities = jwtIdentities(served, request.spiffeId);
      if (!identities.allowed) {
        if (options.answers.isPending(options.pod.podUid, request.spiffeId)) throw notSignedYet();
        throw denied(options, identities.reason);
      }
      const basis = { served, jwtSvids, generation: jwtSvids.generation.value };
      const tokens = await signed(options, basis.jwtSvids, {
        identities: identities.value,
        audience: request.audience,
      });
      return jwtAnswers.make(request, basis, { identities: identities.value, tokens });
    },
    validateJWTSVID: async (request, call) => {
      if (request.audience === '') throw invalid('audience: must be set');
      if (request.svid === '') throw invalid('svid: must be set');
      const served = await firstServed(options, call);
      if (!options.validations.take(options.pod.podUid, 1)) {
        throw new CodedError('unavailable', 'too many tokens to validate; try again in a second');
      }
      return validateToken(request, served, options.clock.now());
    },
    fetchWITSVID: () => unimplemented(),
    fetchWITBundles: () => unimplemented(),
  };
  return bindService(SpiffeWorkloadAPI, handlers, requireWorkloadHeaders);
}

type Projection<M> = {
  readonly message: (served: ServedAnswer) => M;
  /** Whether the message would be the same for both. */
  readonly same: (a: ServedAnswer, b: ServedAnswer) => boolean;
};
const X509_SVIDS = { message: shared(x509Svids), same: Object.is };
const X509_BUNDLES = { message: shared(x509Bundles), same: sameBundles };
const JWT_BUNDLES = { message: shared(jwtBundles), same: sameJwtBundles };

/** One message, made and encoded once, for all streams that show the same answer. */
function shared<M extends object>(make: (served: ServedAnswer) => M): (served: ServedAnswer) => M {
  const made = new WeakMap<ServedAnswer, M>();
  return (served) => {
    let message = made.get(served);
    if (message === undefined) {
      message = unchangingMessage(make(served));
      made.set(served, message);
    }
    return message;
  };
}

// Workload API §4.3: a first message at once, then one for each change of what it shows.
async function* follow<M>(
  options: WorkloadApiOptions,
  call: Call,
  projection: Projection<M>,
): AsyncGenerator<M, void, undefined> {
  let last = await firstServed(options, call);
  yield projection.message(last);
  for await (const answer of answerOf(options).watch(call.signal)) {
    const served = requireServed(options, answer);
    if (projection.same(last, served)) continue;
    last = served;
    yield projection.message(served);
  }
  throw new CodedError('unavailable', 'the node plugin is shutting down');
}

export async function firstServed(options: PodSocket, call: Call): Promise<ServedAnswer> {
  const present = answerOf(options);
  if (present.value !== undefined && isFinal(present.value)) {
    return requireServed(options, present.value);
  }
  const wait = new AbortController();
  const stop = () => wait.abort();
  call.signal.addEventListener('abort', stop, { once: true });
  void options.clock.sleep(FIRST_ANSWER_WAIT_MS, wait.signal).then(stop);
  const answer = await present.first(isFinal, wait.signal);
  call.signal.removeEventListener('abort', stop);
  wait.abort();
  return requireServed(options, answer ?? present.value ?? { kind: 'unknown' });
}

/** Whether it is not just a matter of time until there is another one. */
function isFinal({ kind }: PodAnswer): boolean {
  return kind === 'served' || kind === 'refused';
}

function answerOf({ answers, pod }: PodSocket): Latest<PodAnswer> {
  return answers.answerOf(pod.podUid);
}

export function requireServed(of: Explained, answer: PodAnswer): ServedAnswer {
  switch (answer.kind) {
    case 'served':
      return answer;
    case 'refused':
      throw denied(of, answer.reason);
    case 'pending':
      throw notSignedYet();
    case 'unknown':
      throw new CodedError('unavailable', 'the identity of this pod is not known yet');
  }
}

export function notSignedYet(): CodedError {
  return new CodedError('unavailable', 'the identity of this pod is not signed yet');
}

// Clients of one language wait on the first three words; the rest helps a person. Nothing of other
// policies or pods is said here.
export function denied({ pod, explainFlags }: Explained, reason: string): CodedError {
  const flags = explainFlags === undefined ? '' : ` ${explainFlags}`;
  const command = `signet explain pod/${pod.podName} -n ${pod.namespace}${flags}`;
  return new CodedError('permission-denied', `no identity issued: ${reason}; run: ${command}`, {
    reason,
  });
}

async function signed(
  of: Explained,
  jwtSvids: JwtSvids,
  asked: { readonly identities: ServedAnswer['identities']; readonly audience: readonly string[] },
): Promise<readonly CachedToken[]> {
  try {
    return await jwtSvids.fetch(asked.identities, [...new Set(asked.audience)]);
  } catch (thrown) {
    const { code, reason, message } = CodedError.from(thrown);
    if (code === 'permission-denied' && reason !== undefined) throw denied(of, reason);
    // What stands between this node and the issuer is nothing the workload could change.
    throw new CodedError('unavailable', `no JWT-SVID now: ${message}`, { cause: thrown });
  }
}

function requireAudience(audience: readonly string[]): void {
  if (audience.length === 0) throw invalid('audience: at least one is needed');
  if (audience.length > MAX_AUDIENCES) throw invalid(`audience: more than ${MAX_AUDIENCES}`);
  for (const item of audience) {
    if (item === '') throw invalid('audience: must not be empty');
    if (Buffer.byteLength(item) > MAX_AUDIENCE_BYTES) {
      throw invalid(`audience: over ${MAX_AUDIENCE_BYTES} bytes`);
    }
  }
}

// The WIT profile is not served: Unimplemented for all its calls (Workload API §7).
function unimplemented(): never {
  throw new CodedError('unimplemented', 'the WIT-SVID profile is not served');
}
