// Distinguished names (RFC 5280 §4.1.2.4): written from a few attributes, read back as pairs. Two
// names are the same when their bytes are.

import { DerReader } from '../der/der-reader.ts';
import { TAG } from '../der/der-tag.ts';
import {
  asciiText,
  type DerElement,
  element,
  objectIdentifier,
  sequence,
} from '../der/der-writer.ts';

/** One attribute a level, in order: hex object identifier and text. */
export type NameAttribute = readonly [type: string, value: string];

/** A Name; without attributes it is the empty one. Values must be printable ASCII. */
export function distinguishedName(attributes: readonly NameAttribute[]): DerElement {
  return sequence(
    ...attributes.map(([type, value]) =>
      element(
        TAG.SET,
        sequence(objectIdentifier(type), asciiText(TAG.UTF8_STRING, value, 'subject')),
      ),
    ),
  );
}

/** Reads a Name of single-valued levels with UTF8String values, such as `distinguishedName` makes. */
export function readDistinguishedName(name: Uint8Array): readonly NameAttribute[] {
  const outer = new DerReader(name, 'name');
  const levels = outer.enter(TAG.SEQUENCE, 'name');
  outer.end();
  const attributes: NameAttribute[] = [];
  while (!levels.atEnd) {
    const level = levels.enter(TAG.SET, 'name');
    const attribute = level.enter(TAG.SEQUENCE, 'name');
    level.end();
    attributes.push([attribute.objectIdentifier(), attribute.asciiText(TAG.UTF8_STRING)]);
    attribute.end();
  }
  return attributes;
}
