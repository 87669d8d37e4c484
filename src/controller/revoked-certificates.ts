// What the status of a restriction says of the certificates that it has put on the revocation lists.

import type { RevokedCertificate } from '../authorities/revocation-document.ts';
import type { IdentityRestrictionStatus } from '../crds/schema/identity-restriction-schema.ts';

type RevokedStatus = NonNullable<IdentityRestrictionStatus['revoked']>;

/** Serial numbers that a status names; the lists have all of them. */
export const MAX_NAMED_SERIALS = 20;

export function revokedStatus(
  restriction: string,
  revoked: readonly RevokedCertificate[],
): RevokedStatus {
  // The last to end first: those are what somebody has to look after.
  const ours = revoked
    .filter(({ by }) => by.includes(restriction))
    .toSorted((a, b) => b.notAfter - a.notAfter || (a.serial < b.serial ? -1 : 1));
  const [last] = ours;
  return {
    count: ours.length,
    serials: ours.slice(0, MAX_NAMED_SERIALS).map(({ serial }) => serial),
    ...(last === undefined ? {} : { lastNotAfter: time(last.notAfter) }),
  };
}

function time(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}
