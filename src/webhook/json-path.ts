// A place inside a JSON document, written in the two ways admission needs: as a JSON Pointer
// (RFC 6901) for patches, and as the field name that kubectl shows for messages.

import { invalid } from '../base/errors.ts';

export type JsonPath = readonly (string | number)[];

/** `['metadata', 'labels', 'a/b']` as `/metadata/labels/a~1b` (RFC 6901 §3). */
export function formatPointer(path: JsonPath): string {
  return path.map((token) => `/${escapeToken(String(token))}`).join('');
}

/** The tokens of a JSON Pointer; throws `invalid-argument` naming the pointer. */
export function parsePointer(pointer: string): readonly string[] {
  if (pointer === '') return [];
  if (!pointer.startsWith('/')) throw invalid(`${quote(pointer)}: a JSON Pointer starts with "/"`);
  if (/~(?![01])/.test(pointer)) throw invalid(`${quote(pointer)}: "~" must be "~0" or "~1"`);
  return pointer.slice(1).split('/').map(unescapeToken);
}

/** `['spec', 'volumes', 0, 'csi']` as `spec.volumes[0].csi`; other keys are quoted in brackets. */
export function formatField(path: JsonPath): string {
  const field = path.map((token) => {
    if (typeof token === 'number') return `[${token}]`;
    return /^[A-Za-z]\w*$/.test(token) ? `.${token}` : `[${quote(token)}]`;
  });
  return field.join('').replace(/^\./, '');
}

const MAX_QUOTED = 64;

/** Text from outside, fit for a message: escaped, and cut when it is long. */
export function quote(text: string): string {
  return JSON.stringify(text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text);
}

// "~" first when escaping and last when unescaping, else "~1" and "~01" would trade places
// (RFC 6901 §4).
function escapeToken(token: string): string {
  return token.replaceAll('~', '~0').replaceAll('/', '~1');
}

function unescapeToken(token: string): string {
  return token.replaceAll('~1', '/').replaceAll('~0', '~');
}
