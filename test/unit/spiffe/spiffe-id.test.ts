// The rules of SPIFFE-ID §2, one mutation of a valid ID a row.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import { CodedError } from '../../../src/base/errors.ts';
import {
  isReservedPath,
  MAX_SPIFFE_ID_BYTES,
  parseSpiffeId,
  parseTrustDomain,
  parseTrustDomainOrId,
  parseWorkloadSpiffeId,
  pathOf,
  trustDomainId,
  trustDomainOf,
} from '../../../src/spiffe/spiffe-id.ts';

const domain = parseTrustDomain('example.org');
const refused = (rule: RegExp) => (thrown: unknown) =>
  thrown instanceof CodedError && thrown.code === 'invalid-argument' && rule.test(thrown.message);
const pathOfLength = (length: number) => `spiffe://td/${'a'.repeat(length - 12)}`;

const bad: readonly [name: string, text: string, rule: RegExp][] = [
  ['ID-01 no scheme', 'example.org/a', /scheme/],
  ['ID-01 another scheme', 'https://example.org/a', /scheme/],
  ['ID-01 one slash', 'spiffe:/example.org/a', /scheme/],
  ['ID-01 leading space', ' spiffe://example.org/a', /scheme/],
  ['ID-02 empty text', '', /scheme/],
  ['ID-02 no trust domain', 'spiffe://', /trust domain: must not be empty/],
  ['ID-02 path only', 'spiffe:///a', /trust domain: must not be empty/],
  ['ID-03 query', 'spiffe://example.org/a?b', /path: character "\?"/],
  ['ID-03 empty query', 'spiffe://example.org/a?', /path: character "\?"/],
  ['ID-03 fragment', 'spiffe://example.org/a#b', /path: character "#"/],
  ['ID-03 empty fragment without a path', 'spiffe://example.org#', /trust domain: character "#"/],
  ['ID-04 user info', 'spiffe://u@example.org/a', /trust domain: character "@"/],
  ['ID-04 empty user info', 'spiffe://@example.org/a', /trust domain: character "@"/],
  ['ID-04 port', 'spiffe://example.org:1/a', /trust domain: character ":"/],
  ['ID-04 empty port', 'spiffe://example.org:/a', /trust domain: character ":"/],
  ['ID-05 upper case', 'spiffe://Example.org/a', /trust domain: character "E" at offset 9/],
  ['ID-06 non-ASCII', 'spiffe://exämple.org/a', /trust domain: character U\+00E4/],
  ['ID-07 percent-encoding', 'spiffe://example%2eorg/a', /trust domain: character "%"/],
  ['ID-08 IPv6 literal', 'spiffe://[::1]/a', /trust domain: character "\["/],
  ['ID-09 percent-encoding', 'spiffe://example.org/a%2fb', /path: character "%"/],
  ['ID-10 empty segment', 'spiffe://example.org/a//b', /empty segments/],
  ['ID-10 empty first segment', 'spiffe://example.org//b', /empty segments/],
  ['ID-10 dot segment', 'spiffe://example.org/a/./b', /dot segments/],
  ['ID-10 double dot segment', 'spiffe://example.org/a/../b', /dot segments/],
  ['ID-10 double dot at the end', 'spiffe://example.org/a/..', /dot segments/],
  ['ID-11 trailing slash', 'spiffe://example.org/a/', /end with a slash/],
  ['ID-11 root path', 'spiffe://example.org/', /end with a slash/],
  ['ID-12 space', 'spiffe://example.org/a b', /path: character U\+0020/],
  ['ID-12 NUL', 'spiffe://example.org/a\0', /path: character U\+0000/],
  ['ID-12 lone surrogate', 'spiffe://example.org/a\ud800', /path: character U\+D800/],
  ['ID-12 a character whose low byte is a slash', 'spiffe://example.org/aį', /path: .*U\+012F/],
  ['ID-14 2049 bytes', pathOfLength(MAX_SPIFFE_ID_BYTES + 1), /2049 characters exceed 2048/],
  ['ID-15 256 bytes of name', `spiffe://${'a'.repeat(256)}/a`, /256 characters exceed 255/],
  ['ID-16 upper case scheme', 'SPIFFE://example.org/a', /scheme/],
  ['ID-21 tab', 'spiffe://example.org/a\tb', /path: character U\+0009/],
  ['ID-21 line feed', 'spiffe://exa\nmple.org/a', /trust domain: character U\+000A/],
  ['ID-21 backslash', 'spiffe://example.org\\a', /trust domain: character "\\"/],
];

suite('refused SPIFFE IDs', () => {
  for (const [name, text, rule] of bad) {
    test(name, () => assert.throws(() => parseSpiffeId(text), refused(rule)));
  }
});

suite('accepted SPIFFE IDs', () => {
  const good: readonly [name: string, text: string, trustDomain: string, path: string][] = [
    ['ID-02 without a path', 'spiffe://example.org', 'example.org', ''],
    ['ID-08 looks like an IPv4 address', 'spiffe://1.2.3.4/a', '1.2.3.4', '/a'],
    ['ID-08 is no DNS name', 'spiffe://-a_b./a', '-a_b.', '/a'],
    ['ID-10 three dots', 'spiffe://td/...', 'td', '/...'],
    ['ID-10 dots with letters', 'spiffe://td/.a/b./..c', 'td', '/.a/b./..c'],
    ['ID-12 whole character set', 'spiffe://td/aZ09.-_/x', 'td', '/aZ09.-_/x'],
    ['ID-13 2048 bytes', pathOfLength(2048), 'td', `/${'a'.repeat(2036)}`],
    ['ID-15 255 bytes of name', `spiffe://${'a'.repeat(255)}`, 'a'.repeat(255), ''],
    ['ID-16 path keeps its case', 'spiffe://td/Aa', 'td', '/Aa'],
  ];
  for (const [name, text, trustDomain, path] of good) {
    test(name, () => {
      const id = parseSpiffeId(text);
      assert.equal(id, text);
      assert.equal(trustDomainOf(id), trustDomain);
      assert.equal(pathOf(id), path);
    });
  }
});

suite('trust domains', () => {
  test('a bare name is itself', () => assert.equal(parseTrustDomain('a.b-c_1'), 'a.b-c_1'));
  for (const text of ['', 'a/b', 'a/', 'A', 'spiffe://a', 'a:1', 'a'.repeat(256)]) {
    test(`refused as a bare name: ${JSON.stringify(text.slice(0, 20))}`, () =>
      assert.throws(() => parseTrustDomain(text), refused(/trust domain/)));
  }
  test('name or ID: bare name, trust domain ID, workload ID', () => {
    for (const text of ['fed.test', 'spiffe://fed.test', 'spiffe://fed.test/with/path']) {
      assert.equal(parseTrustDomainOrId(text), 'fed.test');
    }
  });
  test('name or ID: an invalid ID is not taken for a name', () => {
    for (const text of ['http://fed.test', 'spiffe://fed.test/', 'spiffe:/fed.test']) {
      assert.throws(() => parseTrustDomainOrId(text), refused(/./));
    }
  });
  test('the ID of a trust domain has no path', () => {
    assert.equal(trustDomainId(domain), 'spiffe://example.org');
  });
});

suite('workload SPIFFE IDs', () => {
  test('ID-22 a valid rendering is kept as it is', () => {
    const text = 'spiffe://example.org/ns/Default/sa/x';
    assert.equal(parseWorkloadSpiffeId(text, domain), text);
  });
  const cases: readonly [name: string, text: string, rule: RegExp][] = [
    ['ID-22 dot segments of a label are refused', 'spiffe://example.org/ns/../x', /dot segments/],
    [
      'ID-22 percent-encoding of a label is refused',
      'spiffe://example.org/ns/%2e',
      /character "%"/,
    ],
    ['A1 another trust domain', 'spiffe://example.com/a', /is not "example.org"/],
    ['A1 a longer trust domain', 'spiffe://example.org.evil/a', /is not "example.org"/],
    ['A1 a shorter trust domain', 'spiffe://example/a', /is not "example.org"/],
    ['X5-03 no path', 'spiffe://example.org', /must have a path/],
    ['reserved for SPIRE', 'spiffe://example.org/spire', /reserved/],
    ['reserved below SPIRE', 'spiffe://example.org/spire/server', /reserved/],
    ['reserved for Signet', 'spiffe://example.org/signet/issuer', /reserved/],
  ];
  for (const [name, text, rule] of cases) {
    test(name, () => assert.throws(() => parseWorkloadSpiffeId(text, domain), refused(rule)));
  }
  test('reserved paths go by whole segments', () => {
    for (const path of ['/spire', '/spire/a', '/signet', '/signet/a/b']) {
      assert.equal(isReservedPath(path), true);
    }
    for (const path of ['', '/spires', '/spire-agent', '/a/spire', '/Signet', '/signets/a']) {
      assert.equal(isReservedPath(path), false);
    }
  });
});

suite('properties', () => {
  const letters = (extra: string) =>
    fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789.-_'.concat(extra).split(''));
  const name = fc.string({ unit: letters(''), minLength: 1, maxLength: 60 });
  const segment = fc
    .string({ unit: letters('ABCXYZ'), minLength: 1, maxLength: 40 })
    .filter((text) => text !== '.' && text !== '..');

  test('ID-01..12 what is built by the rules parses, and comes apart into what it was built of', () => {
    fc.assert(
      fc.property(name, fc.array(segment, { maxLength: 8 }), (trustDomain, segments) => {
        const path = segments.map((text) => `/${text}`).join('');
        const id = parseSpiffeId(`spiffe://${trustDomain}${path}`);
        assert.equal(trustDomainOf(id), trustDomain);
        assert.equal(pathOf(id), path);
        assert.equal(parseTrustDomainOrId(id), trustDomain);
      }),
    );
  });

  test('ID-21 the parser agrees with the grammar written as one pattern, on any text', () => {
    const grammar =
      /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)*$(?!\n)/;
    const piece = fc.oneof(
      fc.constantFrom('spiffe://', '/', '.', '..', 'a', 'A', '%2e', '?', '#', '@', ':', '\n', 'é'),
      segment,
    );
    const text = fc.array(piece, { maxLength: 10 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(
        fc.oneof(
          text,
          text.map((rest) => `spiffe://td${rest}`),
        ),
        (input) => {
          let accepted = true;
          try {
            parseSpiffeId(input);
          } catch (thrown) {
            assert.ok(thrown instanceof CodedError);
            accepted = false;
          }
          assert.equal(accepted, grammar.test(input));
        },
      ),
      { numRuns: 2000 },
    );
  });
});
