// Requests to the API server: JSON over HTTPS with a token, each with an end in time and in size.
// One connection a watch, the others shared; no redirects, no proxies, nothing from the environment.

import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { Clock } from '../base/clock.ts';
import { CodedError } from '../base/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../template/json-value.ts';
import { ApiAnswers } from './api-answers.ts';
import { type KubeAccess, type KubeCredentials, parseOrigin } from './kube-access.ts';
import { NO_ANSWER, toKubeError } from './kube-error.ts';

export type KubeRequest = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** As the API server has it; segments that are not literals come from `segment`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: JsonObject;
  readonly contentType?: ContentType;
  readonly signal?: AbortSignal;
};

export type ContentType =
  | 'application/json'
  | 'application/merge-patch+json'
  | 'application/apply-patch+yaml';

export type KubeClientOptions = {
  readonly access: KubeAccess;
  readonly clock: Clock;
  /** Such as `signet-issuer/1.0`. */
  readonly userAgent: string;
  /** Where its answers are noted; several clients of one API server may share it. */
  readonly answers?: ApiAnswers;
  /** For a whole request, and for a watch until it is accepted. */
  readonly timeoutMs?: number;
  readonly maxBodyBytes?: number;
};

const TIMEOUT_MS = 30_000;
/** 500 pods of half a megabyte each. */
const MAX_BODY_BYTES = 256 * 1024 * 1024;
const MAX_ERROR_BYTES = 64 * 1024;
const MAX_SOCKETS = 100;

export class KubeClient {
  readonly answers: ApiAnswers;
  readonly #options: KubeClientOptions;
  readonly #origin: { readonly host: string; readonly port: number };
  #agent: { readonly by: string; readonly agent: Agent } | undefined;

  constructor(options: KubeClientOptions) {
    this.#options = options;
    this.answers = options.answers ?? new ApiAnswers(options.clock);
    this.#origin = parseOrigin(options.access.url);
  }

  /** One request and its whole answer; throws KubeError, or `unavailable` without an answer. */
  async send(request: KubeRequest): Promise<JsonObject> {
    const timeout = AbortSignal.timeout(this.#options.timeoutMs ?? TIMEOUT_MS);
    const signal = AbortSignal.any([timeout, ...(request.signal ? [request.signal] : [])]);
    const response = await this.#open(request, signal);
    const max = this.#options.maxBodyBytes ?? MAX_BODY_BYTES;
    const body = parseJson(await readBody(response, max, describe(request)));
    if (isJsonObject(body)) return body;
    throw new CodedError('unavailable', `${describe(request)}: the answer is not a JSON object`);
  }

  /** Opens a watch; its bytes come until the API server, the connection or the signal ends it. */
  async stream(request: KubeRequest): Promise<AsyncIterable<Buffer>> {
    const opening = new AbortController();
    const timer = setTimeout(() => opening.abort(), this.#options.timeoutMs ?? TIMEOUT_MS);
    const signal = AbortSignal.any([opening.signal, ...(request.signal ? [request.signal] : [])]);
    try {
      return await this.#open(request, signal);
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#agent?.agent.destroy();
    this.#agent = undefined;
  }

  async #open(request: KubeRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const what = describe(request);
    const credentials = await this.#options.access.credentials();
    const response = await this.#call(request, credentials, signal).catch((thrown: unknown) => {
      // Whoever asked may have had enough.
      if (request.signal?.aborted !== true) this.answers.failed();
      throw thrown;
    });
    const status = response.statusCode ?? 0;
    if (status < 500 && status !== 429) this.answers.answered();
    else this.answers.failed();
    if (status >= 200 && status < 300) return response;
    if (status === 401) this.#options.access.forget?.();
    // A refusal without a readable body is still a refusal.
    const text = await readBody(response, MAX_ERROR_BYTES, what).catch(() => '');
    const body = parseJson(text);
    throw toKubeError({ status, what, body, retryAfter: response.headers['retry-after'] });
  }

  async #call(
    request: KubeRequest,
    credentials: KubeCredentials,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { method, path, query, body, contentType = 'application/json' } = request;
    const search = query === undefined ? '' : `?${new URLSearchParams(query).toString()}`;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers: Record<string, string> = {
      accept: 'application/json',
      'user-agent': this.#options.userAgent,
    };
    const { token } = credentials;
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
    if (text !== undefined) {
      headers['content-type'] = contentType;
      headers['content-length'] = String(Buffer.byteLength(text));
    }
    return await new Promise((resolve, reject) => {
      const outgoing = httpsRequest(
        {
          ...this.#origin,
          agent: this.#agentFor(credentials),
          method,
          path: (this.#options.access.basePath ?? '') + path + search,
          headers,
          signal,
        },
        resolve,
      );
      outgoing.on('error', (cause: NodeJS.ErrnoException) => {
        const why = cause.code === undefined ? '' : ` (${cause.code})`;
        const message = `${describe(request)}: no answer${why}`;
        reject(new CodedError('unavailable', message, { cause, reason: NO_ANSWER }));
      });
      outgoing.end(text);
    });
  }

  #agentFor({ ca, certificate }: KubeCredentials): Agent {
    const by = JSON.stringify([ca, certificate?.cert]);
    if (this.#agent?.by === by) return this.#agent.agent;
    const { serverName } = this.#options.access;
    // Requests under way keep their connections; new ones trust the new authorities alone.
    const agent = new Agent({
      ...(ca === undefined ? {} : { ca }),
      ...certificate,
      ...(serverName === undefined ? {} : { servername: serverName }),
      keepAlive: true,
      maxSockets: MAX_SOCKETS,
      minVersion: 'TLSv1.2',
      rejectUnauthorized: true,
    });
    this.#agent = { by, agent };
    return agent;
  }
}

/** A name as one segment of a path. */
export function segment(name: string): string {
  if (/^[A-Za-z0-9]([A-Za-z0-9._:-]*[A-Za-z0-9])?$/.test(name)) return name;
  throw new CodedError('invalid-argument', `"${name}" is not a name of an object`);
}

function describe({ method, path }: KubeRequest): string {
  return `${method} ${path}`;
}

async function readBody(response: IncomingMessage, max: number, what: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > max) throw new CodedError('resource-exhausted', `${what}: over ${max} bytes`);
      chunks.push(chunk);
    }
  } catch (cause) {
    response.destroy();
    if (cause instanceof CodedError) throw cause;
    throw new CodedError('unavailable', `${what}: the answer broke off`, { cause });
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}
