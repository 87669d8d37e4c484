// What of a status becomes an error of ours; the other way is in `transport/rpc`.

import { type ServiceError, status as Status } from '@grpc/grpc-js';
import { CodedError, type ErrorCode } from '../../base/errors.ts';
import { STATUS_OF } from '../rpc.ts';

const CODE_OF: ReadonlyMap<number, ErrorCode> = new Map([
  ...Object.entries(STATUS_OF).map(([code, status]) => [status, code as ErrorCode] as const),
  // A peer that went away, or a deadline that passed, heals by itself.
  [Status.CANCELLED, 'unavailable'] as const,
  [Status.DEADLINE_EXCEEDED, 'unavailable'] as const,
]);

export function fromServiceError(error: ServiceError): CodedError {
  const code = CODE_OF.get(error.code) ?? 'internal';
  return new CodedError(code, error.details, { cause: error });
}
