// Lets those requests of a server pass that carry a good JWT-SVID as their bearer token (RFC 6750
// §2.1: in the Authorization header, nowhere else). For connections whose other end TLS proved to be
// the server: whoever sees the token can show it elsewhere.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { CodedError, invalid } from '../../src/base/errors.ts';
import type { JwtSvid } from '../../src/spiffe/jwt-svid/jwt-svid.ts';
import type { SpiffeId } from '../../src/spiffe/spiffe-id.ts';
import { type JwtCheck, verifyJwtSvid } from './jwt-peer.ts';

/** What fastify hands to an `onRequest` hook, as far as it is needed. */
type HookRequest = { readonly raw: IncomingMessage };
type HookReply = {
  code(status: number): unknown;
  header(name: string, value: string): unknown;
  send(body: object): unknown;
};

type Refusal = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
};

const verified = new WeakMap<IncomingMessage, JwtSvid>();

/** The JWT-SVID that a guard let this request pass with; in fastify, of `request.raw`. */
export function jwtSvidOf(request: IncomingMessage): JwtSvid {
  const svid = verified.get(request);
  if (svid !== undefined) return svid;
  throw new CodedError('failed-precondition', 'no JWT-SVID of this request was verified');
}

export class JwtGuard {
  readonly #check: JwtCheck;

  /** Throws `invalid-argument` without an audience. */
  constructor(check: JwtCheck) {
    if (typeof check.audience !== 'string' || check.audience === '') {
      throw invalid('audience: must be the name that callers ask tokens for');
    }
    this.#check = check;
  }

  /** For `http` and `https` servers: the caller; otherwise undefined, and the answer is sent. */
  admit(request: IncomingMessage, response: ServerResponse): JwtSvid | undefined {
    try {
      return this.#verify(request);
    } catch (thrown) {
      const { status, headers, body } = refusal(CodedError.from(thrown));
      response.writeHead(status, { ...headers, 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
      return undefined;
    }
  }

  /** For fastify: `app.addHook('onRequest', guard.onRequest)`. */
  readonly onRequest = async (request: HookRequest, reply: HookReply): Promise<unknown> => {
    try {
      this.#verify(request.raw);
      return undefined;
    } catch (thrown) {
      const { status, headers, body } = refusal(CodedError.from(thrown));
      reply.code(status);
      for (const [name, value] of Object.entries(headers)) reply.header(name, value);
      return reply.send(body);
    }
  };

  /** For `AccessGuard`, beside its `challenge: 'Bearer'`. */
  readonly peerOf = (request: IncomingMessage): SpiffeId => this.#verify(request).spiffeId;

  #verify(request: IncomingMessage): JwtSvid {
    const svid = verifyJwtSvid(bearerToken(request), this.#check);
    verified.set(request, svid);
    return svid;
  }
}

const NO_TOKEN = 'no bearer token';

// RFC 9110 §5.3: two of them are no list; which one another reader would take is not known.
function bearerToken({ rawHeaders }: IncomingMessage): string {
  const values = rawHeaders.filter(
    (_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === 'authorization',
  );
  const [value = ''] = values;
  if (values.length > 1) {
    throw new CodedError('unauthenticated', 'authorization: more than one header');
  }
  const token = /^bearer +([\w.~+/-]+=*)$/i.exec(value)?.[1];
  if (token === undefined) {
    throw new CodedError('unauthenticated', NO_TOKEN, { reason: 'NoToken' });
  }
  return token;
}

function refusal({ code, reason, message }: CodedError): Refusal {
  if (code === 'permission-denied') return { ...answer(403, 'insufficient_scope', message) };
  if (code !== 'unauthenticated') {
    // What is known of authorities is not there yet: nothing about this token.
    const body = { error: 'temporarily_unavailable' };
    return { status: 503, headers: { 'retry-after': '1' }, body };
  }
  // RFC 6750 §3.1: who showed nothing is told no error.
  if (reason === 'NoToken') {
    return { status: 401, headers: challenge('Bearer'), body: { error: 'unauthenticated' } };
  }
  return answer(401, 'invalid_token', message);
}

function answer(status: number, error: string, message: string): Refusal {
  // RFC 6750 §3: printable ASCII without quotes and backslashes.
  const description = message.replaceAll(/[^\x20-\x7e]|["\\]/g, "'").slice(0, 200);
  const headers = challenge(`Bearer error="${error}", error_description="${description}"`);
  return { status, headers, body: { error, error_description: description } };
}

function challenge(value: string): Refusal['headers'] {
  return { 'www-authenticate': value };
}
