// The answer to an admission request, within what the API server passes on: warnings become headers
// of its own answer, and it cuts or drops what is too long.

import type { JsonPatchOperation } from '../json-patch.ts';
import { ADMISSION_API_VERSION, ADMISSION_KIND } from './admission-review.ts';

export type Verdict = {
  readonly allowed: boolean;
  /** Why not; for the author of the object. */
  readonly message: string;
  /** The HTTP status that the author's client gets with a refusal; 403 when left out. */
  readonly code?: number;
  readonly warnings: readonly string[];
  readonly patch: readonly JsonPatchOperation[];
};

export const MAX_WARNINGS = 10;
export const MAX_WARNING_LENGTH = 120;
export const MAX_MESSAGE_LENGTH = 2048;

const FORBIDDEN = 403;

/** The AdmissionReview that answers the request `uid`, as JSON. */
export function formatAdmissionResponse(uid: string, verdict: Verdict): string {
  const { allowed, patch } = verdict;
  const warnings = boundedWarnings(verdict.warnings);
  const response = {
    uid,
    allowed,
    ...(allowed ? {} : { status: refusal(verdict) }),
    ...(warnings.length > 0 ? { warnings } : {}),
    ...(allowed && patch.length > 0
      ? { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') }
      : {}),
  };
  return JSON.stringify({ apiVersion: ADMISSION_API_VERSION, kind: ADMISSION_KIND, response });
}

function refusal({ message, code = FORBIDDEN }: Verdict) {
  return { code, message: cut(printable(message), MAX_MESSAGE_LENGTH) };
}

function boundedWarnings(warnings: readonly string[]): readonly string[] {
  const more = warnings.length - MAX_WARNINGS;
  const shown =
    more > 0 ? [...warnings.slice(0, MAX_WARNINGS - 1), `and ${more + 1} more`] : warnings;
  return shown.map((warning) => cut(printable(warning), MAX_WARNING_LENGTH));
}

/** On one line and without control characters: it ends up in a header and on a terminal. */
function printable(text: string): string {
  return text.toWellFormed().replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ');
}

function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  // Without the half of a pair that the cut may leave.
  return `${text.slice(0, length - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
