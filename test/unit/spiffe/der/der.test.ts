// What the writer writes, the reader reads; what is not the one encoding of a value, it refuses.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import { CodedError } from '../../../../src/base/errors.ts';
import { DerReader } from '../../../../src/spiffe/der/der-reader.ts';
import { TAG } from '../../../../src/spiffe/der/der-tag.ts';
import {
  asciiText,
  bitString,
  element,
  encodeDer,
  objectIdentifier,
  primitive,
  sequence,
} from '../../../../src/spiffe/der/der-writer.ts';

const refused = (rule: RegExp) => (thrown: unknown) =>
  thrown instanceof CodedError && thrown.code === 'invalid-argument' && rule.test(thrown.message);
const reader = (hex: string) => new DerReader(Buffer.from(hex, 'hex'), 'field');
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

suite('the writer', () => {
  const lengths: readonly [content: number, header: string][] = [
    [0, '0400'],
    [127, '047f'],
    [128, '048180'],
    [255, '0481ff'],
    [256, '04820100'],
    [2048, '04820800'],
    [65_535, '0482ffff'],
    [65_536, '0483010000'],
  ];
  for (const [content, header] of lengths) {
    test(`derives the length of ${content} octets`, () => {
      const der = encodeDer(primitive(TAG.OCTET_STRING, new Uint8Array(content)));
      assert.equal(hexOf(der.subarray(0, header.length / 2)), header);
      assert.equal(der.length, header.length / 2 + content);
    });
  }
  test('nests elements and ready-made DER', () => {
    const der = sequence(
      encodeDer(primitive(TAG.INTEGER, Uint8Array.of(5))),
      element(TAG.SET, asciiText(TAG.UTF8_STRING, 'ab', 'text')),
      bitString(Uint8Array.of(0xff)),
      objectIdentifier('550403'),
    );
    assert.equal(
      hexOf(encodeDer(der)),
      '30120201053104'.concat('0c026162', '030200ff', '0603550403'),
    );
  });
  for (const [name, text] of [
    ['a character whose low byte is a slash', 'a\u012fb'],
    ['a character of latin1', 'é'],
    ['NUL', 'a\0'],
    ['a line feed', 'a\n'],
    ['DEL', '\x7f'],
  ] as const) {
    test(`refuses text with ${name}`, () => {
      assert.throws(() => asciiText(TAG.UTF8_STRING, text, 'name'), refused(/^name: character at/));
    });
  }
  test('never hands out bytes it did not write: a wrong count throws', () => {
    const lying = { tag: TAG.OCTET_STRING, length: 5, content: new Uint8Array(4) };
    assert.throws(() => encodeDer(lying), TypeError);
    const other = { ...lying, length: 3 };
    assert.throws(() => encodeDer(sequence(lying, other)), TypeError);
  });
});

suite('the reader refuses', () => {
  const cases: readonly [
    name: string,
    hex: string,
    read: (r: DerReader) => unknown,
    rule: RegExp,
  ][] = [
    ['no bytes', '', (r) => r.content(4), /ends too early/],
    ['a header alone', '04', (r) => r.content(4), /ends too early/],
    ['content past the end', '040200', (r) => r.content(4), /ends too early/],
    ['a length past the end', '0482', (r) => r.content(4), /ends too early/],
    ['an indefinite length', '308000', (r) => r.content(0x30), /another form/],
    ['a length of four octets', '048400000001ff', (r) => r.content(4), /another form/],
    ['a long form with a zero', `04820080${'00'.repeat(128)}`, (r) => r.content(4), /shortest/],
    ['another tag', '0500', (r) => r.content(4), /has tag 5, not 4/],
    ['a tag of two octets', '1f8101', (r) => r.any(), /has tag/],
    ['bytes left over', '050000', (r) => (r.content(5), r.end()), /trailing bytes/],
    ['a negative INTEGER', '020180', (r) => r.unsignedInteger(), /negative/],
    ['an empty INTEGER', '0200', (r) => r.unsignedInteger(), /empty INTEGER/],
    ['a padded INTEGER', '0202007f', (r) => r.unsignedInteger(), /needless zeros/],
    ['an INTEGER out of range', '02050080000000', (r) => r.smallInteger(), /out of range/],
    ['a BOOLEAN of one', '010101', (r) => r.boolean(), /BOOLEAN/],
    ['a BOOLEAN of two octets', '0102ffff', (r) => r.boolean(), /BOOLEAN/],
    ['a BIT STRING of no whole octets', '030204f0', (r) => r.bitString(), /whole octets/],
    ['an empty BIT STRING', '0300', (r) => r.bitString(), /whole octets/],
    ['named bits with a trailing zero', '03020680', (r) => r.namedBits(), /named bits/],
    ['named bits with a stray bit', '03020781', (r) => r.namedBits(), /named bits/],
    ['no named bits', '030100', (r) => r.namedBits(), /named bits/],
    ['eight unused bits', '03020880', (r) => r.namedBits(), /named bits/],
    ['an empty OBJECT IDENTIFIER', '0600', (r) => r.objectIdentifier(), /cut/],
    ['a cut OBJECT IDENTIFIER', '06025583', (r) => r.objectIdentifier(), /cut/],
    ['a padded OBJECT IDENTIFIER', '0603558004', (r) => r.objectIdentifier(), /padded/],
    ['text with NUL', '8602610a', (r) => r.asciiText(0x86), /printable ASCII/],
  ];
  for (const [name, hex, read, rule] of cases) {
    test(name, () => assert.throws(() => read(reader(hex)), refused(rule)));
  }
  test('an element that runs past the one it is in, though there are bytes', () => {
    for (const hex of ['30020402ffff', '30010400', '3003048180ff']) {
      const inner = reader(hex).enter(TAG.SEQUENCE, 'field');
      assert.throws(() => inner.content(TAG.OCTET_STRING), refused(/ends too early/));
    }
  });
  test('a length that is not the shortest', () => {
    assert.throws(() => reader(`04817f${'00'.repeat(127)}`).content(4), refused(/shortest/));
  });
});

suite('the reader reads', () => {
  test('whole numbers without their sign octet', () => {
    assert.equal(hexOf(reader('02020080').unsignedInteger()), '80');
    assert.equal(hexOf(reader('020100').unsignedInteger()), '00');
    assert.equal(reader('02047fffffff').smallInteger(), 0x7fffffff);
  });
  test('named bits', () => {
    assert.equal(reader('03020780').namedBits(), 0x80);
    assert.equal(reader('030205a0').namedBits(), 0xa0);
    assert.equal(reader('0303070680').namedBits(), 0x06);
  });
  test('both truth values', () => {
    assert.equal(reader('0101ff').boolean(), true);
    assert.equal(reader('010100').boolean(), false);
  });
});

suite('properties', () => {
  const octets = fc.uint8Array({ maxLength: 300 });
  test('octets come back as they were written, at any depth', () => {
    fc.assert(
      fc.property(fc.array(octets, { maxLength: 4 }), fc.nat(6), (contents, depth) => {
        let der = sequence(...contents.map((content) => primitive(TAG.OCTET_STRING, content)));
        for (let level = 0; level < depth; level += 1) der = sequence(der);
        const outer = new DerReader(encodeDer(der), 'field');
        let inner = outer.enter(TAG.SEQUENCE, 'field');
        outer.end();
        for (let level = 0; level < depth; level += 1) inner = inner.enter(TAG.SEQUENCE, 'field');
        for (const content of contents) {
          assert.equal(hexOf(inner.content(TAG.OCTET_STRING)), hexOf(content));
        }
        inner.end();
      }),
    );
  });
  test('any bytes are read, or refused with a coded error', () => {
    const walk = (bytes: Uint8Array): void => {
      const cursor = new DerReader(bytes, 'field');
      while (!cursor.atEnd) {
        const [tag, content] = cursor.any();
        if ((tag & 0x20) !== 0) walk(content);
      }
    };
    fc.assert(
      fc.property(octets, (bytes) => {
        try {
          walk(bytes);
        } catch (thrown) {
          assert.ok(thrown instanceof CodedError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
