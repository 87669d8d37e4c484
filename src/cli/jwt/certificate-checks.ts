// Rules that consumers have of a client certificate.

import type { X509Certificate } from 'node:crypto';
import { type CertificateTrial, type Check, ok, refused, unknown, warning } from './check.ts';

type CertificateCheck = Check<CertificateTrial>;

/** By which the server knows the user: there is no other. */
export function commonName(source: string, most: number): CertificateCheck {
  return {
    name: 'common-name',
    source,
    run: ({ chain: [leaf] }) => {
      const name = nameOf(leaf);
      if (name === '') {
        return refused(
          'the subject has no common name, and the SPIFFE ID is not looked at; set commonNameTemplate',
        );
      }
      return name.length > most ? refused(`${name.length} characters, at most ${most}`) : ok(name);
    },
  };
}

/** Whether it is the user's name already, or a map has to make it one. */
export function userName(source: string): CertificateCheck {
  return {
    name: 'user-name',
    source,
    run: ({ chain: [leaf], expected: { subject } }) => {
      const name = nameOf(leaf);
      if (name === '') return refused('no common name to compare');
      if (subject === undefined)
        return unknown(`say the user by --subject; a certificate for ${name}`);
      if (name === subject) return ok(name);
      return warning(`${name} is not user ${subject}: pg_hba.conf needs a map that makes it so`);
    },
  };
}

export function validity(source: string): CertificateCheck {
  return {
    name: 'dates',
    source,
    run: ({ chain, now }) => {
      for (const each of chain) {
        const [from, to] = [each.validFromDate.getTime() / 1000, each.validToDate.getTime() / 1000];
        if (now < from) return refused(`valid ${Math.round(from - now)} s from now`);
        if (now >= to) return refused(`expired ${Math.round(now - to)} s ago`);
      }
      return ok('asked at connecting only');
    },
  };
}

/** The server keeps the roots; what is between them and the leaf has to come along. */
export function sentChain(source: string): CertificateCheck {
  return {
    name: 'chain',
    source,
    run: ({ chain }) => {
      const broken = chain
        .slice(1)
        .findIndex((above, at) => chain[at]?.checkIssued(above) !== true);
      if (broken !== -1) return refused(`certificate ${broken + 1} is not issued by the next one`);
      if (chain.length > 1) return ok(`${chain.length - 1} above the leaf`);
      return warning(
        'the leaf alone: the server must have what issued it, which changes every day',
      );
    },
  };
}

function nameOf(leaf: X509Certificate | undefined): string {
  const name: unknown = leaf?.toLegacyObject().subject.CN;
  return typeof name === 'string' ? name : '';
}
