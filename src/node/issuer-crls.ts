// The revocation lists from the issuer, read before any workload sees them: a set is taken whole, and one
// that is older than what is held, of a replica that has not heard yet, is not taken.

import { CodedError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { readCrl } from '../spiffe/crl/crl.ts';

const MAX_LISTS = 64;

/**
 * The newer of two sets. None is not newer than some: an issuer says so while it cannot make a complete
 * one, and who checks lists must go on to refuse what was revoked.
 */
export function newerCrls(
  held: readonly Uint8Array[],
  given: readonly Uint8Array[],
  log: Logger,
): readonly Uint8Array[] {
  if (given.length === 0) return held;
  try {
    if (given.length > MAX_LISTS) throw new Error(`${given.length} lists exceed ${MAX_LISTS}`);
    if (newestOf(given) < newestOf(held) || isSame(given, held)) return held;
    // Of exact size: they live long, and what they came in must not live with them.
    return given.map((der) => Uint8Array.from(der));
  } catch (thrown) {
    log.error({ err: CodedError.from(thrown) }, 'Ignored revocation lists that cannot be read');
    return held;
  }
}

/** Numbers of all authorities follow the clock, so the highest says how new a set is. */
function newestOf(lists: readonly Uint8Array[]): bigint {
  return lists.reduce((newest, der) => {
    const { number } = readCrl(der);
    return number > newest ? number : newest;
  }, 0n);
}

function isSame(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return (
    a.length === b.length &&
    a.every((der, at) => Buffer.compare(der, b[at] ?? new Uint8Array()) === 0)
  );
}
