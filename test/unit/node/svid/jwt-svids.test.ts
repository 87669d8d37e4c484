// Tokens in hand: how long they are served again, by a clock that may jump, and what a withdrawal
// does to those that are being signed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CodedError } from '../../../../src/base/errors.ts';
import { JwtSvids, type SignedJwt } from '../../../../src/node/svid/jwt-svids.ts';
import type { ServedIdentity } from '../../../../src/node/svid/pod-answer.ts';
import { parseSpiffeId } from '../../../../src/spiffe/spiffe-id.ts';
import { FakeClock } from '../../../fakes/fake-clock.ts';

const MINUTE = 60_000;

function identity(entryId: string): ServedIdentity {
  return {
    entryId,
    spiffeId: parseSpiffeId(`spiffe://example.org/${entryId}`),
    hint: '',
    federatesWith: [],
    jwtDenied: false,
    jwtSingleUse: false,
    sdsDenied: false,
    chain: new Uint8Array(),
    key: new Uint8Array(),
    notBefore: 0,
    notAfter: 0,
  };
}

function setUp(issuerOffsetMs = 0) {
  const clock = new FakeClock();
  const state = {
    asked: 0,
    signed: 0,
    isThrottling: false,
    padding: '',
    before: async (): Promise<void> => {},
  };
  const jwtSvids = new JwtSvids('pod', {
    clock,
    sign: async ({ items }) => {
      state.asked += 1;
      await state.before();
      if (state.isThrottling) {
        return items.map(() => ({ issued: false, reason: 'Throttled', message: 'too many' }));
      }
      return items.map((): SignedJwt => {
        state.signed += 1;
        const issuedAt = clock.now() + issuerOffsetMs;
        const token = `token-${state.signed}${state.padding}`;
        return { issued: true, token, issuedAt, expiresAt: issuedAt + 5 * MINUTE };
      });
    },
  });
  const fetch = async (...ids: string[]) =>
    (await jwtSvids.fetch(ids.map(identity), ['db'])).map(({ token }) => token);
  return { clock, state, jwtSvids, fetch };
}

test('a token is served for half its life, whatever the issuer’s clock says', async () => {
  for (const offset of [0, -60 * MINUTE, 60 * MINUTE]) {
    const { clock, fetch } = setUp(offset);
    assert.deepEqual(await fetch('a'), ['token-1']);
    clock.jump(2.4 * MINUTE);
    assert.deepEqual(await fetch('a'), ['token-1']);
    clock.jump(0.2 * MINUTE);
    assert.deepEqual(await fetch('a'), ['token-2']);
  }
});

test('after the clock was set back nobody knows how old a token is: it is not served again', async () => {
  const { clock, state, fetch } = setUp();
  await fetch('a');
  clock.jump(-60 * MINUTE);
  state.before = () => Promise.reject(new CodedError('unavailable', 'not now'));
  await assert.rejects(fetch('a'), { code: 'unavailable' });
  state.before = async () => {};
  assert.deepEqual(await fetch('a'), ['token-2']);
});

test('a token that was being signed when an identity was withdrawn is not kept', async () => {
  const { state, jwtSvids, fetch } = setUp();
  state.before = async () => jwtSvids.clear();
  await fetch('a');
  state.before = async () => {};
  assert.deepEqual(await fetch('a'), ['token-2']);
});

test('a cached token does not stand in for one that was withdrawn while the issuer was asked', async () => {
  const { clock, state, jwtSvids, fetch } = setUp();
  await fetch('a');
  clock.jump(3 * MINUTE);
  state.before = async () => {
    jwtSvids.clear();
    throw new CodedError('unavailable', 'not now');
  };
  await assert.rejects(fetch('a'), { code: 'unavailable' });
});

test('what a pod can have kept is bounded in number and in size', async () => {
  const { state, fetch } = setUp();
  for (let index = 0; index < 65; index += 1) await fetch(`entry-${index}`);
  await fetch('entry-64');
  assert.equal(state.signed, 65, 'the newest are kept');
  await fetch('entry-0');
  assert.equal(state.signed, 66, 'the oldest is not');
  state.padding = 'x'.repeat(4096);
  await fetch('long');
  await fetch('long');
  assert.equal(state.signed, 68, 'nor is a very long one');
});

test('a pod asks for so much at once, and no more for a second after the issuer throttled it', async () => {
  const { clock, state, fetch } = setUp();
  const go = Promise.withResolvers<void>();
  state.before = async () => await go.promise;
  const first = Promise.allSettled(Array.from({ length: 64 }, async () => await fetch('a')));
  await assert.rejects(fetch('a'), { code: 'unavailable', reason: 'Throttled' });
  go.resolve();
  assert.ok((await first).every(({ status }) => status === 'fulfilled'));
  state.isThrottling = true;
  await assert.rejects(fetch('b'), { code: 'unavailable', reason: 'Throttled' });
  state.isThrottling = false;
  clock.jump(999);
  const { asked } = state;
  await assert.rejects(fetch('b'), { code: 'unavailable', reason: 'Throttled' });
  assert.equal(state.asked, asked, 'the issuer was left in peace');
  clock.jump(1);
  await fetch('b');
});
