// Envoy's secret discovery (SDS v3) on a pod's socket. It hands out private keys without the
// security header, because Envoy cannot send one: so it is on sockets only where it was asked for.
// A stream shows what it named and every change of that; a name without a secret is waited for.

import type { Clock } from '../../base/clock.ts';
import { CodedError, invalid } from '../../base/errors.ts';
import { Latest } from '../../base/latest.ts';
import type { Logger } from '../../base/log.ts';
import { type RateLimit, RateLimits } from '../../base/rate-limits.ts';
import { parseSpiffeId, pathOf } from '../../spiffe/spiffe-id.ts';
import type { DiscoveryRequest } from '../../transport/gen/envoy/service/discovery/v3/discovery_pb.ts';
import { SecretDiscoveryService } from '../../transport/gen/envoy/service/secret/v3/sds_pb.ts';
import { bindService, type Call, type ServiceBinding } from '../../transport/rpc.ts';
import { refuseForeignHeaders } from '../workload/security-header.ts';
import {
  denied,
  firstServed,
  notSignedYet,
  type PodSocket,
  requireServed,
} from '../workload/workload-api.ts';
import type { ServedAnswer } from '../workload/workload-messages.ts';
import { readSecretRequest } from './secret-request.ts';
import { type SecretResponse, SecretSubscription, secretResponse } from './secret-subscription.ts';
import { findSecret, type NamedSecret, namesOf } from './secrets.ts';

/** By pod UID, however many sockets and Envoys it has. */
export type DiscoveryLimits = { readonly requests: RateLimits; readonly lines: RateLimits };

export type SecretDiscoveryOptions = PodSocket & {
  readonly discoveryLimits: DiscoveryLimits;
  readonly log: Logger;
};

/** An Envoy with a hundred secrets says two hundred words at its start, and a hundred a change. */
const REQUEST_LIMIT: RateLimit = { perSecond: 100, burst: 1000 };
/** What a peer says must not fill the log. */
const LINE_LIMIT: RateLimit = { perSecond: 0.1, burst: 1 };
const REJECTED = 'rejected';
const ABSENT = 'absent';

type Context = SecretDiscoveryOptions;
type Wanted = Pick<SecretSubscription, 'names' | 'validation'>;
type Found = { readonly present: readonly NamedSecret[]; readonly absent: readonly string[] };

export function discoveryLimits(clock: Clock): DiscoveryLimits {
  return {
    requests: new RateLimits(clock, REQUEST_LIMIT),
    lines: new RateLimits(clock, LINE_LIMIT),
  };
}

export function secretDiscovery(context: SecretDiscoveryOptions): ServiceBinding {
  return bindService(
    SecretDiscoveryService,
    {
      streamSecrets: (requests, call) => new SecretStream(context).run(requests, call.signal),
      fetchSecrets: async (request, call) => await fetchSecrets(context, request, call),
      deltaSecrets: () => {
        throw new CodedError('unimplemented', 'secrets are served state of the world only');
      },
    },
    async (call) => refuseForeignHeaders(call),
  );
}

// There is nobody to wait: a name without a secret fails the call.
async function fetchSecrets(
  context: Context,
  request: DiscoveryRequest,
  call: Call,
): Promise<SecretResponse> {
  takeRequest(context);
  const { names, validation = 'authorities' } = readSecretRequest(request);
  const wanted = { names: names.length === 0 ? undefined : names, validation };
  const { present, absent } = find(context, await firstServed(context, call), wanted);
  if (absent.some((name) => isPending(context, name))) throw notSignedYet();
  if (absent.length > 0) {
    throw invalid(`resource_names: ${absent.length} of them are not this pod's`);
  }
  return secretResponse(present, '');
}

class SecretStream {
  readonly #context: Context;
  readonly #subscription = new SecretSubscription();
  /** Set when there may be something new to say. */
  readonly #tick = new Latest<true>();
  #isOver = false;
  #failure: CodedError | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  async *run(
    requests: AsyncIterable<DiscoveryRequest>,
    signal: AbortSignal,
  ): AsyncGenerator<SecretResponse, void, undefined> {
    const end = new AbortController();
    const stop = () => end.abort();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    void this.#read(requests);
    void this.#follow(end.signal);
    try {
      for await (const _ of this.#tick.watch(end.signal)) {
        if (this.#failure !== undefined) throw this.#failure;
        const isLast = this.#isOver;
        const response = this.#next(isLast);
        if (response !== undefined) yield response;
        if (isLast) return;
      }
    } finally {
      signal.removeEventListener('abort', stop);
      stop();
    }
    throw new CodedError('unavailable', 'the node plugin is shutting down');
  }

  async #read(requests: AsyncIterable<DiscoveryRequest>): Promise<void> {
    try {
      for await (const request of requests) this.#accept(request);
      this.#isOver = true;
    } catch (thrown) {
      this.#failure = CodedError.from(thrown);
    }
    this.#tick.set(true);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { answers, pod } = this.#context;
    for await (const _ of answers.answerOf(pod.podUid).watch(signal)) this.#tick.set(true);
  }

  #accept(message: DiscoveryRequest): void {
    const { log, pod } = this.#context;
    takeRequest(this.#context);
    const request = readSecretRequest(message);
    if (!this.#subscription.accept(request)) return;
    if (request.rejection !== undefined && takeLine(this.#context, REJECTED)) {
      const { podUid, namespace, podName } = pod;
      const fields = { podUid, namespace, podName, detail: request.rejection };
      log.warn(fields, 'An Envoy rejected what secret discovery gave it');
    }
    this.#tick.set(true);
  }

  /** `isLast`: nothing is asked any more, so there is nothing to wait for. */
  #next(isLast: boolean): SecretResponse | undefined {
    const { answers, pod } = this.#context;
    const answer = answers.answerOf(pod.podUid).value ?? { kind: 'unknown' };
    const isNotYet = answer.kind === 'unknown' || answer.kind === 'pending';
    if (isNotYet && !isLast) return undefined;
    const served = requireServed(this.#context, answer);
    if (!this.#subscription.isOpen) return undefined;
    const { present, absent } = find(this.#context, served, this.#subscription);
    this.#requireKept(present);
    const response = this.#subscription.respond(present);
    if (absent.length > 0) this.#noteAbsent(absent);
    return response;
  }

  /**
   * An identity that was given and is not the pod's any more ends the stream: the protocol has no
   * word for taking a secret back. A bundle that went is no identity; who has it keeps it.
   */
  #requireKept(present: readonly NamedSecret[]): void {
    const names = new Set(present.map(({ name }) => name));
    for (const name of this.#subscription.given) {
      if (names.has(name) || !isIdentity(name) || isPending(this.#context, name)) continue;
      throw denied(this.#context, 'NotEntitled');
    }
  }

  #noteAbsent(absent: readonly string[]): void {
    const { log, pod } = this.#context;
    if (!takeLine(this.#context, ABSENT)) return;
    const { podUid, namespace, podName } = pod;
    const fields = { podUid, namespace, podName, names: absent.slice(0, 3) };
    log.info(fields, 'An Envoy waits for secrets that its pod does not have');
  }
}

function takeLine({ discoveryLimits: { lines }, pod }: Context, what: string): boolean {
  return lines.take(`${what} ${pod.podUid}`, 1);
}

function takeRequest({ discoveryLimits: { requests }, pod }: Context): void {
  if (requests.take(pod.podUid, 1)) return;
  const { perSecond } = REQUEST_LIMIT;
  throw new CodedError('resource-exhausted', `over ${perSecond} requests a second`);
}

function find(context: Context, served: ServedAnswer, { names, validation }: Wanted): Found {
  // Where no identity may be handed out, secret discovery is denied as a whole.
  if (served.identities.every(({ sdsDenied }) => sdsDenied)) throw denied(context, 'SdsDenied');
  const present: NamedSecret[] = [];
  const absent: string[] = [];
  for (const name of names ?? namesOf(served)) {
    const found = findSecret(name, served, validation);
    if (found.kind === 'denied') throw denied(context, 'SdsDenied');
    if (found.kind === 'secret') present.push(found.secret);
    else absent.push(name);
  }
  return { present, absent };
}

function isPending({ answers, pod }: Context, name: string): boolean {
  return isIdentity(name) && answers.isPending(pod.podUid, name);
}

function isIdentity(name: string): boolean {
  return name.startsWith('spiffe://') && pathOf(parseSpiffeId(name)) !== '';
}
