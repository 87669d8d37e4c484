// DNS names as they may stand in an X.509-SVID: printable, unambiguous, never an address.

import { invalid } from '../../base/errors.ts';

/** Names in one certificate. */
export const MAX_DNS_NAMES = 32;

const LABEL = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;

/**
 * Throws `invalid-argument` naming the rule unless `name` is labels of letters, digits, hyphens and
 * underscores, at most 63 each and 253 in all, perhaps under a leading `*.`.
 */
export function checkDnsName(name: string): void {
  if (name.length === 0 || name.length > 253) {
    throw invalid(`DNS name: ${name.length} characters, not 1 to 253`);
  }
  const labels = (name.startsWith('*.') ? name.slice(2) : name).split('.');
  for (const label of labels) {
    if (!LABEL.test(label)) throw invalid(`DNS name: label ${JSON.stringify(label)} is malformed`);
  }
  // RFC 1123 §2.1: a name whose last label is a number would be taken for an IPv4 address.
  if (/^\d+$/.test(labels.at(-1) ?? '')) throw invalid('DNS name: looks like an address');
}

/** Checks each of `names`, and that none repeats another in any case. */
export function checkDnsNames(names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    checkDnsName(name);
    const folded = name.toLowerCase();
    if (seen.has(folded)) throw invalid(`DNS name: ${name} is given twice`);
    seen.add(folded);
  }
}
