// One POST to a token endpoint. What goes there is a credential: over TLS or to this machine alone, to
// no other address than the one given, and never into a message; answers are bounded and read strictly.

import { CodedError, type ErrorCode, invalid } from '../../../src/base/errors.ts';
import { type JsonObject, parseStrictJsonObject } from '../../../src/spiffe/strict-json.ts';

/** The global one, or one with its own TLS settings, such as `tlsFetch`. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export type TokenRequest = {
  /** Whose endpoint, for messages. */
  readonly of: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A form, or JSON: as a text where its octets are signed. */
  readonly body: URLSearchParams | { readonly [name: string]: string } | string;
  readonly fetch?: Fetch | undefined;
};

export type TokenAnswer = { readonly status: number; readonly text: string };

const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 65_536;
const LOOPBACK = /^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])$/;

/** Throws `invalid-argument` for an address that would carry credentials in the clear. */
export function checkTokenUrl(text: string, field: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw invalid(`${field}: not a URL`);
  const isLocal = url.protocol === 'http:' && LOOPBACK.test(url.hostname);
  if (url.protocol !== 'https:' && !isLocal) {
    throw invalid(`${field}: must be https, or http to a loopback address`);
  }
  if (url.username !== '' || url.password !== '') throw invalid(`${field}: must hold no user`);
  if (url.hash !== '') throw invalid(`${field}: must have no fragment`);
  return url;
}

/** Any status; throws `unavailable` when there is no whole answer. */
export async function postForTokens(request: TokenRequest): Promise<TokenAnswer> {
  const { of, url, headers = {}, body, fetch: send = globalThis.fetch } = request;
  const isForm = body instanceof URLSearchParams;
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  try {
    const response = await send(checkTokenUrl(url, 'url').href, {
      method: 'POST',
      // A redirect would carry the credential elsewhere.
      redirect: 'manual',
      headers: {
        'content-type': isForm ? 'application/x-www-form-urlencoded' : 'application/json',
        accept: 'application/json',
        ...headers,
      },
      body: isForm ? body.toString() : text,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return { status: response.status, text: await readText(response) };
  } catch (thrown) {
    if (thrown instanceof CodedError) throw thrown;
    throw new CodedError('unavailable', `${of}: no answer: ${reasonOf(thrown)}`);
  }
}

/** Throws `unavailable` when the answer is no JSON object: what stands before the endpoint spoke. */
export function parseAnswer(of: string, { text }: TokenAnswer): JsonObject {
  try {
    const limits = { field: 'answer', maxBytes: MAX_ANSWER_BYTES };
    return parseStrictJsonObject(new TextEncoder().encode(text), limits);
  } catch (thrown) {
    throw new CodedError('unavailable', `${of}: ${CodedError.from(thrown).message}`);
  }
}

/** Throws what a status other than 200 means; `detail` is in the endpoint's words. */
export function checkStatus(of: string, { status }: TokenAnswer, detail: string): void {
  if (status === 200) return;
  const said = detail === '' ? '' : `: ${printable(detail)}`;
  throw new CodedError(codeOf(status), `${of}: refused with status ${status}${said}`);
}

/** RFC 6749 §5.2, and the nested form that some have. */
export function errorOf(text: string): string {
  try {
    const limits = { field: 'answer', maxBytes: MAX_ANSWER_BYTES };
    const answer = parseStrictJsonObject(new TextEncoder().encode(text), limits);
    const nested = answer.get('error');
    const [code, description] =
      nested instanceof Map
        ? [nested.get('type'), nested.get('message')]
        : [nested, answer.get('error_description')];
    return [code, description].filter((part) => typeof part === 'string').join(': ');
  } catch {
    return '';
  }
}

/** A member of an answer that must be there. */
export function textOf(of: string, answer: JsonObject, name: string): string {
  const value = answer.get(name);
  if (typeof value === 'string' && /^[\x21-\x7e]+$/.test(value)) return value;
  throw new CodedError('unavailable', `${of}: answer without ${name}`);
}

/** A life in seconds, as milliseconds; what never expires is not taken. */
export function lifeMsOf(of: string, answer: JsonObject, name: string): number {
  const value = answer.get(name);
  const seconds = typeof value === 'string' && /^[0-9]{1,9}$/.test(value) ? Number(value) : value;
  if (typeof seconds === 'number' && seconds > 0 && seconds < 1e9) return seconds * 1000;
  throw new CodedError('unavailable', `${of}: ${name}: not a positive number of seconds`);
}

// 408 and 429 are about now, 5xx about them; the rest is about what was sent.
function codeOf(status: number): ErrorCode {
  if (status >= 500 || status === 408 || status === 429) return 'unavailable';
  return status === 403 ? 'permission-denied' : 'unauthenticated';
}

/** Nothing that may be a token or a part of one, nothing that breaks a line, and not at any length. */
function printable(text: string): string {
  return text
    .slice(0, 2000)
    .replaceAll(/[\w.~+/-]{40,}=*/g, '…')
    .replaceAll(/[^\x20-\x7e…]/g, ' ')
    .slice(0, 300);
}

async function readText(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > MAX_ANSWER_BYTES) {
      throw new CodedError('unavailable', `answer: more than ${MAX_ANSWER_BYTES} bytes`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** The system's words for why; a message of fetch alone says nothing. */
function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error ? (thrown.cause ?? thrown) : thrown;
  if (cause instanceof Error)
    return 'code' in cause ? String(cause.code) : printable(cause.message);
  return 'failed';
}
