// Path validation: a valid chain with one thing wrong.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { EXTENSION, SIGNATURE } from '../../../../src/spiffe/certificate/oid.ts';
import { constructedContextTag, TAG } from '../../../../src/spiffe/der/der-tag.ts';
import {
  element,
  objectIdentifier,
  primitive,
  sequence,
} from '../../../../src/spiffe/der/der-writer.ts';
import {
  authorityExtensions,
  basicConstraints,
  dns,
  extension,
  forge,
  keyUsage,
  leafExtensions,
  NOW,
  party,
  type Shape,
} from '../certificate/forged-certificate.ts';
import {
  type Given,
  leafOf,
  middle,
  middleOf,
  refused,
  top,
  validate,
} from './x509-svid-fixtures.ts';

suite('X5-17 refused', () => {
  const stranger = party('root');
  const late = { notBefore: NOW + 1000 };
  const old = { notAfter: NOW - 1000 };
  const below = party('below');
  const belowDer = forge(below, middle, { extensions: authorityExtensions() });
  const named = (shape: Shape) => ({ extensions: authorityExtensions(), ...shape });
  const constrained = [
    ...authorityExtensions(),
    extension(
      EXTENSION.NAME_CONSTRAINTS,
      false,
      sequence(element(constructedContextTag(0), sequence(dns('a.test')))),
    ),
  ];
  const rsaSha256 = sequence(
    objectIdentifier(SIGNATURE.RSA_SHA256),
    primitive(TAG.NULL, new Uint8Array(0)),
  );
  const cases: readonly [name: string, given: Given, rule: RegExp][] = [
    [
      'an intermediate of another name with the same key',
      {
        chain: [
          leafOf(),
          forge({ ...middle, name: 'other' }, top, { extensions: authorityExtensions(0) }),
        ],
      },
      /not signed by the one after/,
    ],
    [
      'an algorithm of another type of key',
      { chain: [leafOf({ algorithm: rsaSha256, signedAlgorithm: rsaSha256 }), middleOf()] },
      /not signed by the one after/,
    ],
    ['no certificate', { chain: [] }, /chain: empty/],
    ['nine certificates', { chain: Array(9).fill(leafOf()) }, /9 certificates exceed 8/],
    ['no authorities', { authorities: [] }, /no authority/],
    [
      'another authority of that name',
      { chain: [leafOf(), middleOf({}, stranger)] },
      /no authority/,
    ],
    ['a missing intermediate', { chain: [leafOf()] }, /no authority/],
    [
      'an intermediate of another name',
      { chain: [leafOf(), belowDer] },
      /not signed by the one after/,
    ],
    [
      'a forged leaf',
      { chain: [leafOf({ signWith: top.privateKey }), middleOf()] },
      /not signed by the one after/,
    ],
    ['a leaf too early', { chain: [leafOf(late), middleOf()] }, /not valid yet/],
    ['an expired leaf', { chain: [leafOf(old), middleOf()] }, /expired/],
    ['an intermediate too early', { chain: [leafOf(), middleOf(late)] }, /not valid yet/],
    ['an expired intermediate', { chain: [leafOf(), middleOf(old)] }, /expired/],
    ['an expired authority', { authorities: [forge(top, top, named(old))] }, /no authority/],
    ['an authority too early', { authorities: [forge(top, top, named(late))] }, /no authority/],
    [
      'an intermediate that is a leaf',
      { chain: [leafOf(), middleOf({ extensions: leafExtensions() })] },
      /not a CA certificate/,
    ],
    [
      'an intermediate without keyCertSign',
      { chain: [leafOf(), middleOf({ extensions: [basicConstraints(true), keyUsage(0x02)] })] },
      /lacks keyCertSign/,
    ],
    ['a path longer than allowed', { chain: [leafOf({}, below), belowDer, middleOf()] }, /longer/],
    [
      'a path longer than the authority allows',
      { authorities: [forge(top, top, { extensions: authorityExtensions(0) })] },
      /no authority/,
    ],
    [
      'X5-10 an authority with name constraints',
      { chain: [leafOf(), middleOf({ extensions: constrained })] },
      /name constraints/,
    ],
    [
      'a digest that is not on the list',
      {
        chain: [
          leafOf({
            algorithm: sequence(objectIdentifier('2a8648ce3d0401')),
            signedAlgorithm: sequence(objectIdentifier('2a8648ce3d0401')),
          }),
          middleOf(),
        ],
      },
      /not signed by the one after/,
    ],
  ];
  for (const [name, given, rule] of cases) {
    test(name, () => assert.throws(() => validate(given), refused(rule)));
  }
  test('an authority of the bundle that is none', () => {
    assert.throws(() => validate({ authorities: [leafOf()] }), refused(/not a CA certificate/));
  });
});
