// Subject alternative names (RFC 5280 §4.2.1.6), read from their DER: the one place an X.509-SVID
// keeps its SPIFFE ID in.

import { invalid } from '../../base/errors.ts';
import type { DerReader } from '../der/der-reader.ts';
import { constructedContextTag, contextTag, TAG } from '../der/der-tag.ts';

/** Tag of a GeneralName that is a DNS name. */
export const DNS_NAME = contextTag(2);
/** Tag of a GeneralName that is a URI. */
export const URI = contextTag(6);

export type AlternativeNames = {
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  /** How many names are of another type. */
  readonly others: number;
};

export const NO_NAMES: AlternativeNames = { uris: [], dnsNames: [], others: 0 };

/** otherName, rfc822Name, x400Address, directoryName, ediPartyName, iPAddress, registeredID. */
const OTHER_TYPES: ReadonlySet<number> = new Set([
  constructedContextTag(0),
  contextTag(1),
  constructedContextTag(3),
  constructedContextTag(4),
  constructedContextTag(5),
  contextTag(7),
  contextTag(8),
]);

/** Reads GeneralNames; order within a type is kept. Throws `invalid-argument`. */
export function readAlternativeNames(value: DerReader): AlternativeNames {
  const list = value.enter(TAG.SEQUENCE, 'subjectAltName');
  const uris: string[] = [];
  const dnsNames: string[] = [];
  let others = 0;
  while (!list.atEnd) {
    if (list.isNext(URI)) uris.push(list.asciiText(URI));
    else if (list.isNext(DNS_NAME)) dnsNames.push(list.asciiText(DNS_NAME));
    else {
      const [tag] = list.any();
      if (!OTHER_TYPES.has(tag)) throw invalid(`subjectAltName: a name of unknown type ${tag}`);
      others += 1;
    }
  }
  if (uris.length + dnsNames.length + others === 0) throw invalid('subjectAltName: empty');
  return { uris, dnsNames, others };
}
