// Certificates that their authorities have revoked, as the Workload API says it (`crl`). Its word is
// taken for lists as it is for bundles. What was revoked stays so after a list's `nextUpdate`: while
// nobody brings a newer one, the last one is the best there is.

import { CodedError, invalid } from '../../src/base/errors.ts';
import { type Certificate, readCertificate } from '../../src/spiffe/certificate/certificate.ts';
import { readCrl, type TbsCrl } from '../../src/spiffe/crl/crl.ts';
import type { Report } from './x509-context.ts';

/** What identifies a certificate to those who revoke it (RFC 5280 §5.1.2.6, §5.2.1). */
export type IssuedCertificate = {
  /** The issuer's name and key identifier; of one without the latter, the name alone. */
  readonly issuer: string;
  readonly keyIdentifier: string | undefined;
  readonly serial: string;
};

type List = { readonly keyIdentifier: string; readonly serials: ReadonlySet<string> };

const MAX_LISTS = 1000;

export class RevokedCertificates {
  readonly #byIssuer = new Map<string, List[]>();

  constructor(lists: readonly TbsCrl[]) {
    for (const { issuer, authorityKeyIdentifier, revoked } of lists) {
      const serials = new Set(revoked.map(({ serialNumber }) => textOf(serialNumber)));
      const list = { keyIdentifier: textOf(authorityKeyIdentifier), serials };
      const name = textOf(issuer);
      this.#byIssuer.set(name, [...(this.#byIssuer.get(name) ?? []), list]);
    }
  }

  has({ issuer, keyIdentifier, serial }: IssuedCertificate): boolean {
    const lists = this.#byIssuer.get(issuer) ?? [];
    return lists.some(
      (list) =>
        (keyIdentifier === undefined || keyIdentifier === list.keyIdentifier) &&
        list.serials.has(serial),
    );
  }
}

/** Of somebody who knows of no lists. */
export const NOTHING_REVOKED = new RevokedCertificates([]);

/** What is no list is left out and told to `report`; throws `invalid-argument` for too many. */
export function parseRevokedCertificates(
  lists: readonly Uint8Array[],
  report: Report,
): RevokedCertificates {
  if (lists.length === 0) return NOTHING_REVOKED;
  if (lists.length > MAX_LISTS) throw invalid(`crl: ${lists.length} exceed ${MAX_LISTS}`);
  const read: TbsCrl[] = [];
  for (const [index, der] of lists.entries()) {
    try {
      read.push(readCrl(der));
    } catch (thrown) {
      report(invalid(`crl[${index}]: ${CodedError.from(thrown).message}`, thrown));
    }
  }
  return new RevokedCertificates(read);
}

/** The certificates of a chain, in DER. Throws `invalid-argument`. */
export function issuedCertificates(chain: readonly Uint8Array[]): readonly IssuedCertificate[] {
  return chain.map((der) => issuedCertificate(readCertificate(der)));
}

function issuedCertificate({ issuer, serialNumber, extensions }: Certificate): IssuedCertificate {
  const { authorityKeyIdentifier: key } = extensions;
  const keyIdentifier = key === undefined ? undefined : textOf(key);
  return { issuer: textOf(issuer), keyIdentifier, serial: textOf(serialNumber) };
}

function textOf(octets: Uint8Array): string {
  return Buffer.from(octets).toString('latin1');
}
