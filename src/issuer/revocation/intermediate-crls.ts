// The signed lists of the intermediates, from the entries: made anew where the content changed or a list
// is getting old, else left as they are.

import { certificateOf } from '../../authorities/public-bundle.ts';
import {
  liveIntermediates,
  type RevokedCertificate,
  readListOf,
} from '../../authorities/revocation-document.ts';
import { CRL_REASON, type RevokedSerial } from '../../spiffe/crl/crl.ts';
import { signCrl } from '../../spiffe/crl/crl-signing.ts';
import type { RevocationAuthorities } from '../authority/signing-authorities.ts';

const HOUR_MS = 3_600_000;
/** Whoever fetches lists may be away for this long, and so may all issuers. */
const LIFETIME_MS = 24 * HOUR_MS;
const RENEW_AFTER_MS = 6 * HOUR_MS;
/** Clocks of verifiers may be behind. */
const BACKDATE_MS = 600_000;

export type Lists = Readonly<Record<string, string>>;

/** By authority, DER in base64; the same object when every list may stay. */
export function nextLists(
  { state, keys }: RevocationAuthorities,
  { before, revoked }: { readonly before: Lists; readonly revoked: readonly RevokedCertificate[] },
  now: number,
): Lists {
  const lists: Record<string, string> = {};
  for (const authority of liveIntermediates(state, now)) {
    const known = Object.hasOwn(before, authority.id) ? before[authority.id] : undefined;
    const content = contentOf(authority.id, revoked);
    const crl = readListOf(authority, known, now);
    const madeAt = (crl?.thisUpdate ?? 0) + BACKDATE_MS;
    const isFresh = now < madeAt + RENEW_AFTER_MS && now >= madeAt - BACKDATE_MS;
    if (known !== undefined && crl !== undefined && isFresh && isSame(crl.revoked, content)) {
      lists[authority.id] = known;
      continue;
    }
    const privateKey = keys.get(authority.id);
    // Its key is on its way; another issuer may have it.
    if (privateKey === undefined) {
      if (known !== undefined) lists[authority.id] = known;
      continue;
    }
    const number = Math.max(Math.floor(now / 1000), Number(crl?.number ?? 0n) + 1);
    const der = signCrl(
      { certificateDer: certificateOf(authority), privateKey },
      {
        number: BigInt(number),
        thisUpdate: now - BACKDATE_MS,
        nextUpdate: now + LIFETIME_MS,
        revoked: content,
      },
    );
    lists[authority.id] = Buffer.from(der).toString('base64');
  }
  const names = Object.keys(lists);
  const isUnchanged =
    names.length === Object.keys(before).length && names.every((id) => lists[id] === before[id]);
  return isUnchanged ? before : lists;
}

function contentOf(
  authorityId: string,
  revoked: readonly RevokedCertificate[],
): readonly RevokedSerial[] {
  return revoked
    .filter(({ authority = authorityId }) => authority === authorityId)
    .map(({ serial, revokedAt, held }) => ({
      serialNumber: Buffer.from(serial, 'hex'),
      revokedAt: revokedAt * 1000,
      reason: held ? CRL_REASON.CERTIFICATE_HOLD : CRL_REASON.CESSATION_OF_OPERATION,
    }));
}

function isSame(a: readonly RevokedSerial[], b: readonly RevokedSerial[]): boolean {
  return (
    a.length === b.length &&
    a.every((entry, at) => {
      const other = b[at];
      return (
        other !== undefined &&
        entry.reason === other.reason &&
        entry.revokedAt === other.revokedAt &&
        Buffer.compare(entry.serialNumber, other.serialNumber) === 0
      );
    })
  );
}
