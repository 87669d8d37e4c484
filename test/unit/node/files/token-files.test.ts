// When the tokens of files are replaced: at once where the pod itself is concerned, spread over a while
// where every pod is, and not at all for nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../../../src/base/log.ts';
import { TokenFiles } from '../../../../src/node/files/token-files.ts';
import { JwtSvids } from '../../../../src/node/svid/jwt-svids.ts';
import type { ServedIdentity } from '../../../../src/node/svid/pod-answer.ts';
import { parseSpiffeId } from '../../../../src/spiffe/spiffe-id.ts';
import { FakeClock } from '../../../fakes/fake-clock.ts';

const MINUTE = 60_000;
const FILE = { name: 'token', audience: 'db' };

const identity: ServedIdentity = {
  entryId: 'a',
  spiffeId: parseSpiffeId('spiffe://example.org/a'),
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

function setUp() {
  const clock = new FakeClock();
  let signed = 0;
  const jwtSvids = new JwtSvids('pod', {
    clock,
    sign: async ({ items }) =>
      items.map(() => {
        signed += 1;
        const issuedAt = clock.now();
        const expiresAt = issuedAt + 5 * MINUTE;
        return { issued: true, token: `token-${signed}`, issuedAt, expiresAt };
      }),
  });
  const files = new TokenFiles([FILE], { clock, log: silentLogger, random: () => 0.5 });
  const look = async () => {
    const { inHand, lookAt = 0 } = await files.collect(identity, jwtSvids);
    return { token: inHand.get('token'), inMs: lookAt - clock.now() };
  };
  return { clock, jwtSvids, look };
}

test('what ends the tokens of every pod replaces those in files spread over seconds', async () => {
  const { clock, jwtSvids, look } = setUp();
  await look();
  jwtSvids.clear('soon');
  assert.deepEqual(await look(), { token: 'token-1', inMs: 5000 });
  clock.jump(2000);
  jwtSvids.clear('soon');
  assert.deepEqual(await look(), { token: 'token-1', inMs: 3000 }, 'again is not later');
  clock.jump(3000);
  assert.equal((await look()).token, 'token-2');
});

test('what is about the pod itself replaces its token at once, whatever else is going on', async () => {
  const { jwtSvids, look } = setUp();
  await look();
  jwtSvids.clear('soon');
  await look();
  jwtSvids.clear();
  jwtSvids.clear('soon');
  assert.equal((await look()).token, 'token-2');
});

test('a clock that is set back makes it no later', async () => {
  const { clock, jwtSvids, look } = setUp();
  await look();
  clock.jump(MINUTE);
  jwtSvids.clear('soon');
  await look();
  clock.jump(-30_000);
  assert.equal((await look()).token, 'token-2');
});
