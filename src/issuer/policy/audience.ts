// The audiences of one JWT-SVID request, before anybody asks whether they are allowed.

import { invalid } from '../../base/errors.ts';

export const MAX_AUDIENCES = 10;
export const MAX_AUDIENCE_BYTES = 1024;

/** Throws `invalid-argument` unless there are 1 to 10, each of 1 to 1,024 bytes, none twice. */
export function checkAudience(audience: readonly string[]): void {
  if (audience.length === 0) throw invalid('audience: must not be empty');
  if (audience.length > MAX_AUDIENCES) {
    throw invalid(`audience: ${audience.length} exceed ${MAX_AUDIENCES}`);
  }
  for (const one of audience) {
    if (one === '') throw invalid('audience: must not hold an empty value');
    if (Buffer.byteLength(one) > MAX_AUDIENCE_BYTES) {
      throw invalid(`audience: a value exceeds ${MAX_AUDIENCE_BYTES} bytes`);
    }
  }
  if (new Set(audience).size < audience.length) throw invalid('audience: must not repeat a value');
}
