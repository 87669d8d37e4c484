// What the API server's refusals mean, in the program's own codes: 410 is the only
// `failed-precondition` with the reason Gone, and what is worth a retry is `unavailable`.

import { CodedError, type ErrorCode } from '../base/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue, ownValue } from '../template/json-value.ts';

/** The reason of a resource version or continue token that the API server has forgotten. */
export const GONE = 'Gone';

/** The reason when nobody answered, or nobody in time. */
export const NO_ANSWER = 'NoAnswer';

const MAX_MESSAGE = 300;
const MAX_RETRY_AFTER_MS = 120_000;

const CODES: ReadonlyMap<number, ErrorCode> = new Map([
  [400, 'invalid-argument'],
  [401, 'unauthenticated'],
  [403, 'permission-denied'],
  [404, 'not-found'],
  [405, 'unimplemented'],
  [406, 'unimplemented'],
  [408, 'unavailable'],
  [409, 'aborted'],
  [410, 'failed-precondition'],
  [413, 'resource-exhausted'],
  [415, 'unimplemented'],
  [422, 'invalid-argument'],
  [429, 'unavailable'],
]);

/** A refusal by the API server. */
export class KubeError extends CodedError {
  readonly status: number;
  /** How long the API server asks to be left alone. */
  readonly retryAfterMs: number | undefined;
  /** Machine-readable reasons beneath the one of the whole. */
  readonly causes: readonly string[];

  constructor(
    code: ErrorCode,
    message: string,
    options: {
      status: number;
      reason?: string;
      retryAfterMs?: number | undefined;
      causes?: readonly string[];
    },
  ) {
    super(code, message, options.reason === undefined ? {} : { reason: options.reason });
    this.name = 'KubeError';
    this.status = options.status;
    this.retryAfterMs = options.retryAfterMs;
    this.causes = options.causes ?? [];
  }
}

export type Refusal = {
  readonly status: number;
  /** What was asked, for the message: never with a query or a body. */
  readonly what: string;
  readonly body: JsonValue | undefined;
  readonly retryAfter?: string | undefined;
};

/** The error for an answer that is none of 2xx, or for the Status of a watch's ERROR event. */
export function toKubeError({ status, what, body, retryAfter }: Refusal): KubeError {
  const given: JsonObject = isJsonObject(body) ? body : {};
  const reason = textOf(given, 'reason');
  const message = textOf(given, 'message').slice(0, MAX_MESSAGE);
  const code = reason === 'AlreadyExists' ? 'already-exists' : codeOf(status);
  return new KubeError(code, `${what}: ${status}${message === '' ? '' : ` ${message}`}`, {
    status,
    retryAfterMs: retryAfterMs(retryAfter, given),
    causes: causesOf(given),
    ...(status === 410 ? { reason: GONE } : reason === '' ? {} : { reason }),
  });
}

/** Whether another manager owns a field of what was to be applied. */
export function isForeignField(error: CodedError): boolean {
  return error instanceof KubeError && error.causes.includes('FieldManagerConflict');
}

export function isGone(error: CodedError): boolean {
  return error.code === 'failed-precondition' && error.reason === GONE;
}

/** How long to wait at least before the next try, as far as the error says. */
export function retryAfterOf(error: CodedError): number {
  return (error instanceof KubeError ? error.retryAfterMs : undefined) ?? 0;
}

function codeOf(status: number): ErrorCode {
  return CODES.get(status) ?? (status >= 500 ? 'unavailable' : 'internal');
}

function retryAfterMs(header: string | undefined, body: JsonObject): number | undefined {
  const details = ownValue(body, 'details');
  const inBody = isJsonObject(details) ? ownValue(details, 'retryAfterSeconds') : undefined;
  const seconds = header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) : inBody;
  if (typeof seconds !== 'number' || !(seconds > 0)) return undefined;
  return Math.min(seconds * 1000, MAX_RETRY_AFTER_MS);
}

function causesOf(body: JsonObject): readonly string[] {
  const details = ownValue(body, 'details');
  const causes = isJsonObject(details) ? ownValue(details, 'causes') : undefined;
  if (!Array.isArray(causes)) return [];
  return (causes as readonly JsonValue[])
    .filter(isJsonObject)
    .map((cause) => textOf(cause, 'reason'));
}

function textOf(object: JsonObject, key: string): string {
  const value = ownValue(object, key);
  return typeof value === 'string' ? value : '';
}
