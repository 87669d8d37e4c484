import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../../../src/base/log.ts';
import { AuthorityLoop } from '../../../../src/issuer/authority/authority-loop.ts';
import { AuthorityView } from '../../../../src/issuer/authority/signing-authorities.ts';
import { FakeClock } from '../../../fakes/fake-clock.ts';
import { TRUST_DOMAIN } from '../fixtures.ts';
import { MemoryStore } from '../memory-store.ts';

test('what is due after each look is done while the store fails, too', async () => {
  const store = new MemoryStore();
  store.onOperation = () => {
    throw new Error('the store is away');
  };
  const clock = new FakeClock();
  const view = new AuthorityView({ trustDomain: TRUST_DOMAIN, store });
  const loop = new AuthorityLoop({ keeper: undefined, view, clock, log: silentLogger });
  const stop = new AbortController();
  let looks = 0;
  const running = loop.run(stop.signal, () => {
    looks += 1;
  });
  await clock.advance(10 * 60_000);
  assert.ok(looks >= 10, `${looks} looks in ten minutes`);
  stop.abort();
  await running;
});
