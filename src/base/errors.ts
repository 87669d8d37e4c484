// The one error class. Its codes are the wire's own codes, so nothing is translated twice:
// `transport/grpc` maps them to gRPC, a reconciler maps them to conditions and retries.

/** The closed set of failures, named as gRPC names them. */
export type ErrorCode =
  | 'invalid-argument'
  | 'not-found'
  | 'already-exists'
  | 'unauthenticated'
  | 'permission-denied'
  | 'failed-precondition'
  | 'resource-exhausted'
  | 'aborted'
  | 'unimplemented'
  | 'unavailable'
  | 'internal';

/**
 * A failure with a stable code. Messages are lower case, without a period, name the field and the
 * rule, and never hold secrets. `reason` is a CamelCase constant when a policy decided.
 */
export class CodedError extends Error {
  readonly code: ErrorCode;
  readonly reason: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; reason?: string } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : {});
    this.name = 'CodedError';
    this.code = code;
    this.reason = options.reason;
  }

  /** Turns anything thrown into a CodedError; what is unknown becomes `internal`. */
  static from(thrown: unknown): CodedError {
    if (thrown instanceof CodedError) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new CodedError('internal', message, { cause: thrown });
  }
}

/** The usual refusal: the caller must change the request. */
export function invalid(message: string, cause?: unknown): CodedError {
  return new CodedError('invalid-argument', message, cause === undefined ? {} : { cause });
}

/**
 * A policy's answer. A refusal is a value, not an exception; `reason` travels unchanged into
 * condition, Event, gRPC message, audit line and log.
 */
export type Decision<T = undefined> = Allowed<T> | Refused;
export type Allowed<T> = { readonly allowed: true; readonly value: T };
export type Refused = {
  readonly allowed: false;
  readonly reason: string;
  readonly message: string;
};

export function allow<T>(value: T): Allowed<T> {
  return { allowed: true, value };
}

export function refuse(reason: string, message: string): Refused {
  return { allowed: false, reason, message };
}
