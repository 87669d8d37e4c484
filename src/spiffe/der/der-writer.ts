// DER out: elements are described first, their lengths derived, and the whole is then written once
// into a zero-filled buffer of exactly that size. Nobody writes a length by hand, and a mistake
// in the count throws instead of leaking or cutting bytes.

import { invalid } from '../../base/errors.ts';
import { TAG } from './der-tag.ts';

/** Bytes that are DER already, or an element still to be written. */
export type Der = Uint8Array | DerElement;

export type DerElement = {
  readonly tag: number;
  /** Content octets. */
  readonly length: number;
  readonly content: Uint8Array | string | readonly Der[];
};

/** An element whose content is given as it is. */
export function primitive(tag: number, content: Uint8Array): DerElement {
  return { tag, length: content.length, content };
}

/** An element whose content is other elements, or octets and elements in a row. */
export function element(tag: number, ...parts: readonly Der[]): DerElement {
  let length = 0;
  for (const part of parts) length += encodedLength(part);
  return { tag, length, content: parts };
}

export function sequence(...parts: readonly Der[]): DerElement {
  return element(TAG.SEQUENCE, ...parts);
}

/**
 * Text as one octet a character. Throws `invalid-argument` naming `field` for anything but printable
 * ASCII: writing U+012F as latin1 would put a slash into the certificate.
 */
export function asciiText(tag: number, text: string, field: string): DerElement {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || code > 0x7e) {
      throw invalid(`${field}: character at offset ${at} is not printable ASCII`);
    }
  }
  return { tag, length: text.length, content: text };
}

/** A BIT STRING of whole octets. */
export function bitString(content: Der): DerElement {
  return element(TAG.BIT_STRING, NO_UNUSED_BITS, content);
}

/** An OBJECT IDENTIFIER from its content octets in hex. */
export function objectIdentifier(hex: string): DerElement {
  return primitive(TAG.OBJECT_IDENTIFIER, Buffer.from(hex, 'hex'));
}

export function encodeDer(der: Der): Uint8Array {
  const buffer = Buffer.alloc(encodedLength(der));
  const end = write(buffer, 0, der);
  if (end !== buffer.length) throw new TypeError(`DER: wrote ${end} of ${buffer.length} octets`);
  return buffer;
}

const NO_UNUSED_BITS = Uint8Array.of(0);

function encodedLength(der: Der): number {
  if (der instanceof Uint8Array) return der.length;
  return 1 + lengthOfLength(der.length) + der.length;
}

function lengthOfLength(length: number): number {
  if (length < 0x80) return 1;
  if (length < 0x100) return 2;
  if (length < 0x10000) return 3;
  if (length < 0x1000000) return 4;
  throw new TypeError(`DER: an element of ${length} octets`);
}

function write(buffer: Buffer, from: number, der: Der): number {
  if (der instanceof Uint8Array) {
    buffer.set(der, from);
    return from + der.length;
  }
  buffer[from] = der.tag;
  const start = writeLength(buffer, from + 1, der.length);
  const end = writeContent(buffer, start, der.content);
  if (end - start !== der.length) {
    throw new TypeError(`DER: wrote ${end - start} content octets of ${der.length}`);
  }
  return end;
}

function writeLength(buffer: Buffer, from: number, length: number): number {
  const octets = lengthOfLength(length) - 1;
  if (octets === 0) {
    buffer[from] = length;
    return from + 1;
  }
  buffer[from] = 0x80 | octets;
  return buffer.writeUIntBE(length, from + 1, octets);
}

function writeContent(buffer: Buffer, from: number, content: DerElement['content']): number {
  if (typeof content === 'string') return from + buffer.write(content, from, 'latin1');
  if (content instanceof Uint8Array) {
    buffer.set(content, from);
    return from + content.length;
  }
  let at = from;
  for (const part of content) at = write(buffer, at, part);
  return at;
}
