import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Authorizer, exactly, memberOf, oneOf } from '../../../client/src/authorizer.ts';
import { parseSpiffeId } from '../../../src/spiffe/spiffe-id.ts';

const cases: readonly [string, Authorizer, string, boolean][] = [
  ['exactly: the ID', exactly('spiffe://a.org/x'), 'spiffe://a.org/x', true],
  ['exactly: an ID below it', exactly('spiffe://a.org/x'), 'spiffe://a.org/x/y', false],
  ['exactly: other case', exactly('spiffe://a.org/x'), 'spiffe://a.org/X', false],
  ['exactly: another domain', exactly('spiffe://a.org/x'), 'spiffe://b.org/x', false],
  ['oneOf: the second', oneOf(['spiffe://a.org/x', 'spiffe://b.org/y']), 'spiffe://b.org/y', true],
  ['oneOf: mixed up', oneOf(['spiffe://a.org/x', 'spiffe://b.org/y']), 'spiffe://b.org/x', false],
  ['oneOf: nobody', oneOf([]), 'spiffe://a.org/x', false],
  ['memberOf: a member', memberOf('a.org'), 'spiffe://a.org/x', true],
  ['memberOf: given as an ID', memberOf('spiffe://a.org'), 'spiffe://a.org/x', true],
  ['memberOf: a longer name', memberOf('a.org'), 'spiffe://a.org.evil/x', false],
];

for (const [name, authorizer, id, allowed] of cases) {
  test(`${name} is ${allowed ? 'allowed' : 'refused'}`, () => {
    assert.equal(authorizer.authorize(parseSpiffeId(id)).allowed, allowed);
  });
}

test('an authorizer names the trust domains it takes peers from, and no others', () => {
  const { trustDomains } = oneOf(['spiffe://a.org/x', 'spiffe://b.org/y', 'spiffe://a.org/z']);
  assert.deepEqual([...trustDomains], ['a.org', 'b.org']);
});

test('what is no SPIFFE ID makes no authorizer', () => {
  assert.throws(() => exactly('https://a.org/x'), { code: 'invalid-argument' });
  assert.throws(() => memberOf('a.org/'), { code: 'invalid-argument' });
});
