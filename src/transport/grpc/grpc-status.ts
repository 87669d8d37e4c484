// The one place where our error codes meet gRPC's, in both directions.

import { type ServiceError, status as Status, type StatusObject } from '@grpc/grpc-js';
import { CodedError, type ErrorCode } from '../../base/errors.ts';

const STATUS_OF: { readonly [code in ErrorCode]: Status } = {
  'invalid-argument': Status.INVALID_ARGUMENT,
  'not-found': Status.NOT_FOUND,
  'already-exists': Status.ALREADY_EXISTS,
  unauthenticated: Status.UNAUTHENTICATED,
  'permission-denied': Status.PERMISSION_DENIED,
  'failed-precondition': Status.FAILED_PRECONDITION,
  'resource-exhausted': Status.RESOURCE_EXHAUSTED,
  aborted: Status.ABORTED,
  unimplemented: Status.UNIMPLEMENTED,
  unavailable: Status.UNAVAILABLE,
  internal: Status.INTERNAL,
};

const CODE_OF: ReadonlyMap<number, ErrorCode> = new Map([
  ...Object.entries(STATUS_OF).map(([code, status]) => [status, code as ErrorCode] as const),
  // A peer that went away, or a deadline that passed, heals by itself.
  [Status.CANCELLED, 'unavailable'] as const,
  [Status.DEADLINE_EXCEEDED, 'unavailable'] as const,
]);

/** The status of a failed call. Details of what is unknown stay in our own log. */
export function toStatus(thrown: unknown): Pick<StatusObject, 'code' | 'details'> {
  const error = CodedError.from(thrown);
  const details = error.code === 'internal' ? 'internal error' : error.message;
  return { code: STATUS_OF[error.code], details };
}

export function fromServiceError(error: ServiceError): CodedError {
  const code = CODE_OF.get(error.code) ?? 'internal';
  return new CodedError(code, error.details, { cause: error });
}
