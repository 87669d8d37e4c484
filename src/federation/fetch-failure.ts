// Why a bundle was not refreshed, as reason constants. What a peer answered shows in no status: the words
// for people are constant too.

import { CodedError, type ErrorCode } from '../base/errors.ts';

const WORDS = {
  EndpointUnreachable: 'the endpoint does not answer',
  AddressDenied: 'the host has an address that must not be reached; see --federation-allow-cidr',
  NotAuthenticated: 'the endpoint is not the one that was declared',
  NoBundleToAuthenticate:
    "there is no bundle yet to know the endpoint by: set spec.trustDomainBundle, or declare the endpoint's trust domain",
  BadRedirect: 'the endpoint redirects to what is no endpoint, or too often',
  BadAnswer: 'the endpoint answers with something else than a document',
  TooLarge: 'the document is too large',
  BadBundle: 'the document is not a SPIFFE bundle',
  SequenceWentBack:
    'the document is older than the one in use; if that is meant, set spec.trustDomainBundle to it',
  KeyOfAnother: 'the document has a key of our own trust domain',
  KeyContested:
    'a key is left out because another trust domain has it too; if it belongs here, set spec.trustDomainBundle to a bundle with it',
  StoreFull: 'there is no room for the bundle; the log names those that take the most',
  NotStored: 'the bundle could not be stored',
} as const;

export type FetchFailure = keyof typeof WORDS;

const CODES: Readonly<Record<FetchFailure, ErrorCode>> = {
  EndpointUnreachable: 'unavailable',
  AddressDenied: 'permission-denied',
  NotAuthenticated: 'unauthenticated',
  NoBundleToAuthenticate: 'failed-precondition',
  BadRedirect: 'failed-precondition',
  BadAnswer: 'failed-precondition',
  TooLarge: 'resource-exhausted',
  BadBundle: 'failed-precondition',
  SequenceWentBack: 'failed-precondition',
  KeyOfAnother: 'failed-precondition',
  KeyContested: 'failed-precondition',
  StoreFull: 'resource-exhausted',
  NotStored: 'unavailable',
};

/** For the log: `detail` may speak of what the peer did. */
export function fetchError(reason: FetchFailure, detail: string, cause?: unknown): CodedError {
  const options = cause === undefined ? { reason } : { reason, cause };
  return new CodedError(CODES[reason], detail, options);
}

/** What a status says of a failure. */
export function failureOf(thrown: unknown): {
  readonly reason: FetchFailure;
  readonly words: string;
} {
  const { reason = '' } = CodedError.from(thrown);
  const known: FetchFailure = isFailure(reason) ? reason : 'EndpointUnreachable';
  return { reason: known, words: WORDS[known] };
}

/** Whether it is one that `fetchError` made. */
export function isFetchError(thrown: unknown): boolean {
  return thrown instanceof CodedError && isFailure(thrown.reason ?? '');
}

function isFailure(reason: string): reason is FetchFailure {
  return Object.hasOwn(WORDS, reason);
}
