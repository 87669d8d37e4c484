// The rows that a test's name cites: `KU-01`, `KU-01 to KU-05`, `A4, A6`, `ClusterSPIFFEID.spec.ttl`.

const STANDARD =
  /\b(ID|X5|JW|WE|WA|TB|FE|PF|CS|KU|RG|SA)-(\d{2})(?:\s*(?:[–…]|to)\s*(?:\1-)?(\d{2}))?/g;
/** Only at the beginning of a name or after "row", since other things may look so. */
const BEHAVIOUR =
  /(?:^|['"`]|compatibility |rows? )((?:[ABDEGRVW]\d{1,2}\b(?:\s*[–,]\s*|\s+to\s+|\s+)?)+)/gm;
const BEHAVIOUR_ROW = /([ABDEGRVW])(\d{1,2})(?:\s*(?:–|to)\s*[ABDEGRVW]?(\d{1,2}))?/g;
const FIELD = /\b(?:Cluster[A-Za-z]+|IdentityRestriction)\.spec\.[A-Za-z0-9.]*[A-Za-z0-9]/g;

/** Each row's id, some perhaps twice. */
export function* rowsIn(text: string): Generator<string> {
  for (const [, list = '', first = '', last] of text.matchAll(STANDARD)) {
    for (const number of range(first, last)) yield `${list}-${String(number).padStart(2, '0')}`;
  }
  for (const [, group = ''] of text.matchAll(BEHAVIOUR)) {
    for (const [, list = '', first = '', last] of group.matchAll(BEHAVIOUR_ROW)) {
      for (const number of range(first, last)) yield `${list}${number}`;
    }
  }
  for (const [field] of text.matchAll(FIELD)) yield field;
}

function range(first: string, last: string | undefined): readonly number[] {
  const from = Number(first);
  return Array.from({ length: Math.max(Number(last ?? first) - from, 0) + 1 }, (_, i) => from + i);
}
