import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  coversPattern,
  isExact,
  matchesPattern,
  parseSpiffeIdPattern,
} from '../../../src/access/spiffe-id-pattern.ts';
import { parseSpiffeId } from '../../../src/spiffe/spiffe-id.ts';

const matching: readonly [string, string, boolean][] = [
  ['spiffe://a.org/ns/x/sa/y', 'spiffe://a.org/ns/x/sa/y', true],
  ['spiffe://a.org/ns/x/sa/y', 'spiffe://b.org/ns/x/sa/y', false],
  ['spiffe://a.org/ns/x/sa/y', 'spiffe://a.org/ns/x/sa/y/z', false],
  ['spiffe://a.org/ns/x/sa/y', 'spiffe://a.org/ns/x/sa', false],
  ['spiffe://a.org/ns/x/sa/y', 'spiffe://a.org/ns/x/sa/Y', false],
  ['spiffe://a.org/ns/x/sa/*', 'spiffe://a.org/ns/x/sa/y', true],
  ['spiffe://a.org/ns/x/sa/*', 'spiffe://a.org/ns/x/sa/y/z', false],
  ['spiffe://a.org/ns/*/sa/y', 'spiffe://a.org/ns/x/sa/y', true],
  ['spiffe://a.org/ns/*/sa/y', 'spiffe://a.org/ns/sa/y', false],
  ['spiffe://a.org/ns/x/**', 'spiffe://a.org/ns/x/sa/y', true],
  ['spiffe://a.org/ns/x/**', 'spiffe://a.org/ns/x', false],
  ['spiffe://a.org/ns/x/**', 'spiffe://a.org/ns/xx/sa', false],
  ['spiffe://a.org/**', 'spiffe://a.org/x', true],
  ['spiffe://a.org/**', 'spiffe://a.org', false],
  ['spiffe://a.org/**', 'spiffe://a.org.evil/x', false],
];

for (const [text, id, expected] of matching) {
  test(`${text} ${expected ? 'matches' : 'does not match'} ${id}`, () => {
    const pattern = parseSpiffeIdPattern(text, 'peers[0]');
    assert.equal(matchesPattern(pattern, parseSpiffeId(id)), expected);
  });
}

const refused: readonly [string, RegExp][] = [
  ['spiffe://a.org', /^peers\[0\]: a pattern needs a path/],
  ['spiffe://*/x', /trust domain/],
  ['spiffe://a.*/x', /trust domain/],
  ['spiffe://a.org/x*', /whole segment/],
  ['spiffe://a.org/**/x', /at the end only/],
  ['spiffe://a.org/x/', /path/],
  ['spiffe://a.org//x', /path/],
  ['spiffe://a.org/../x', /dot segments/],
  ['https://a.org/x', /scheme/],
  ['*', /needs a path/],
  ['spiffe://a.org/[a-z]+', /character/],
];

for (const [text, message] of refused) {
  test(`${text} is no pattern`, () => {
    assert.throws(() => parseSpiffeIdPattern(text, 'peers[0]'), {
      code: 'invalid-argument',
      message,
    });
  });
}

const segment = fc.constantFrom('a', 'b', 'ns');
const id = fc
  .array(segment, { minLength: 1, maxLength: 5 })
  .map((path) => parseSpiffeId(`spiffe://t.org/${path.join('/')}`));
const pattern = fc
  .tuple(fc.array(fc.oneof(segment, fc.constant('*')), { maxLength: 5 }), fc.boolean())
  .filter(([segments, isOpen]) => isOpen || segments.length > 0)
  .map(([segments, isOpen]) =>
    parseSpiffeIdPattern(
      `spiffe://t.org/${[...segments, ...(isOpen ? ['**'] : [])].join('/')}`,
      'pattern',
    ),
  );

test('a pattern matches what the same regular expression would', () => {
  fc.assert(
    fc.property(pattern, id, (one, given) => {
      const path = one.segments.map((part) => (part === '*' ? '[^/]+' : part)).join('/');
      const rest = one.isOpen ? `${path === '' ? '' : '/'}.+` : '';
      const expected = new RegExp(`^spiffe://t\\.org/${path}${rest}$`).test(given);
      assert.equal(matchesPattern(one, given), expected);
    }),
    { numRuns: 2000 },
  );
});

test('what a pattern covers it matches, and an exact one covers itself alone', () => {
  fc.assert(
    fc.property(pattern, pattern, id, (outer, inner, given) => {
      if (coversPattern(outer, inner) && matchesPattern(inner, given)) {
        assert.ok(matchesPattern(outer, given));
      }
      if (isExact(outer) && coversPattern(outer, inner)) assert.equal(inner.text, outer.text);
      assert.ok(coversPattern(outer, outer));
    }),
    { numRuns: 2000 },
  );
});
