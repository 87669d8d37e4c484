// Asks an access policy about every request of a server, before anything else looks at it, and leaves
// a record of each answer. Who asks is what TLS proved; a guard with another `peerOf` takes it from a
// token, say.

import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type AccessPolicy,
  type AccessRule,
  decideAccess,
} from '../../src/access/access-policy.ts';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { CodedError, type Decision, refuse } from '../../src/base/errors.ts';
import type { SpiffeId } from '../../src/spiffe/spiffe-id.ts';
import { peerSpiffeId } from './peer-identity.ts';

/** One decision, ready to be a line of JSON. */
export type AccessRecord = {
  /** RFC 3339, UTC. */
  readonly time: string;
  readonly peer: string;
  readonly operation: string;
  readonly allowed: boolean;
  /** The rule that granted it; '' when none did. */
  readonly rule: string;
  /** '' when allowed; else `NoRule`, `UnknownOperation`, `NoOperation`, `NoPeer`. */
  readonly reason: string;
  /** Digest of the policy it was decided by. */
  readonly policy: string;
};

export type AccessGuardOptions = {
  /** An `AccessPolicyFile`, or anything that has these two. */
  readonly policy: { readonly policy: AccessPolicy; readonly digest: string };
  /** What a request asks for; undefined: nothing that anybody may do. */
  readonly operationOf: (request: IncomingMessage) => string | undefined;
  /** Told before the answer takes effect, and waited for; when it fails the answer is no (`NotRecorded`). */
  readonly onDecision: (record: AccessRecord) => void | Promise<void>;
  /** Default: `peerSpiffeId` of the connection. Throws when nobody is proven. */
  readonly peerOf?: (request: IncomingMessage) => SpiffeId | Promise<SpiffeId>;
  /** `WWW-Authenticate` of a 401: `Bearer` where `peerOf` takes tokens. Default: none. */
  readonly challenge?: string;
  readonly clock?: Clock;
};

/** What fastify hands to an `onRequest` hook, as far as it is needed. */
type HookRequest = { readonly raw: IncomingMessage };
type HookReply = {
  code(status: number): unknown;
  header(name: string, value: string): unknown;
  send(body: object): unknown;
};

const FORBIDDEN = 403;
const UNAUTHENTICATED = 401;

export class AccessGuard {
  readonly #options: AccessGuardOptions;

  constructor(options: AccessGuardOptions) {
    this.#options = options;
  }

  /** Decides and records; for what is no HTTP request. */
  async decide(peer: SpiffeId, operation: string): Promise<Decision<AccessRule>> {
    return await this.#recorded(peer, operation, (policy) => decideAccess(policy, peer, operation));
  }

  /**
   * For `http` and `https` servers: the peer when it may; otherwise undefined, and the answer is
   * sent: 401 when nobody is proven, 403 when the policy says no.
   */
  async admit(request: IncomingMessage, response: ServerResponse): Promise<SpiffeId | undefined> {
    const { peer, decision } = await this.#judge(request);
    if (decision.allowed) return peer;
    response.writeHead(statusOf(decision.reason), {
      ...this.#challenge(decision.reason),
      'content-type': 'application/json',
    });
    response.end(JSON.stringify(refusal(decision.reason)));
    return undefined;
  }

  /** For fastify: `app.addHook('onRequest', guard.onRequest)`. */
  readonly onRequest = async (request: HookRequest, reply: HookReply): Promise<unknown> => {
    const { decision } = await this.#judge(request.raw);
    if (decision.allowed) return undefined;
    reply.code(statusOf(decision.reason));
    const headers = Object.entries(this.#challenge(decision.reason));
    for (const [name, value] of headers) reply.header(name, value);
    return reply.send(refusal(decision.reason));
  };

  #challenge(reason: string): Record<string, string> {
    const { challenge } = this.#options;
    if (challenge === undefined || statusOf(reason) !== UNAUTHENTICATED) return {};
    return { 'www-authenticate': challenge };
  }

  async #judge(request: IncomingMessage): Promise<{
    readonly peer?: SpiffeId;
    readonly decision: Decision<AccessRule>;
  }> {
    const { peerOf = ({ socket }: IncomingMessage) => peerSpiffeId(socket), operationOf } =
      this.#options;
    let peer: SpiffeId;
    try {
      peer = await peerOf(request);
    } catch (thrown) {
      const { message } = CodedError.from(thrown);
      return { decision: await this.#recorded('', '', () => refuse('NoPeer', message)) };
    }
    const operation = operationOf(request);
    if (operation !== undefined) return { peer, decision: await this.decide(peer, operation) };
    const none = () => refuse('NoOperation', 'the request is no operation of this service');
    return { peer, decision: await this.#recorded(peer, '', none) };
  }

  async #recorded(
    peer: string,
    operation: string,
    decide: (policy: AccessPolicy) => Decision<AccessRule>,
  ): Promise<Decision<AccessRule>> {
    const { policy, clock = systemClock, onDecision } = this.#options;
    const { digest } = policy;
    const decision = decide(policy.policy);
    const record: AccessRecord = {
      time: new Date(clock.now()).toISOString(),
      peer,
      operation,
      allowed: decision.allowed,
      rule: decision.allowed ? decision.value.name : '',
      reason: decision.allowed ? '' : decision.reason,
      policy: digest,
    };
    try {
      await onDecision(record);
    } catch {
      return refuse('NotRecorded', 'the decision could not be recorded');
    }
    return decision;
  }
}

/** What the peer hears: the reason, nothing of the policy. */
function refusal(reason: string): object {
  return { error: 'permission denied', reason };
}

function statusOf(reason: string): number {
  return reason === 'NoPeer' ? UNAUTHENTICATED : FORBIDDEN;
}
