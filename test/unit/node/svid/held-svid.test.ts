import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { PodEntry } from '../../../../src/node/node-view.ts';
import { type HeldSvid, isDue, renewAt, toIdentity } from '../../../../src/node/svid/held-svid.ts';
import { parseSpiffeId } from '../../../../src/spiffe/spiffe-id.ts';

const entry: PodEntry = {
  entryId: 'e',
  spiffeId: parseSpiffeId('spiffe://example.org/a'),
  hint: '',
  federatesWith: [],
  jwtDenied: false,
  jwtSingleUse: false,
  sdsDenied: false,
  contentDigest: 'aa',
};
const held: HeldSvid = {
  entryId: 'e',
  contentDigest: 'aa',
  spiffeId: entry.spiffeId,
  serial: new Uint8Array(1),
  chain: new Uint8Array(1),
  key: new Uint8Array(1),
  notBefore: 1000,
  notAfter: 5000,
  receivedAt: 62_000,
  rootName: '30',
  renewAt: 3000,
};

test('renewal is within a tenth around half life, the same for the same holder', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 42 }),
      fc.integer({ min: 1000, max: 86_400_000 }),
      fc.string(),
      (receivedAt, lifetime, holder) => {
        const validity = { notBefore: receivedAt - 60_000, notAfter: receivedAt + lifetime };
        const at = renewAt(receivedAt, validity, holder);
        assert.ok(at >= receivedAt + Math.floor(0.45 * lifetime));
        assert.ok(at <= receivedAt + Math.ceil(0.55 * lifetime));
        assert.equal(renewAt(receivedAt, validity, holder), at);
      },
    ),
  );
});

test('holders are spread over the whole tenth', () => {
  const validity = { notBefore: 0, notAfter: 1_000_000 };
  const times = Array.from({ length: 200 }, (_, index) => renewAt(0, validity, `pod-${index}`));
  assert.ok(Math.min(...times) < 460_000 && Math.max(...times) > 540_000);
  assert.ok(new Set(times).size > 190);
});

test('a node whose clock is behind comes back within the life that the SVID really has', () => {
  const validity = { notBefore: 36_000_000, notAfter: 36_000_000 + 3_600_000 };
  const at = renewAt(0, validity, 'pod');
  assert.ok(at >= 0.45 * 3_600_000 && at <= 0.55 * 3_600_000);
});

test('an SVID is due when none fits, when it is time, and when the clock was set back', () => {
  assert.equal(isDue(held, entry, 2000), false);
  assert.equal(isDue(undefined, entry, 2000), true);
  assert.equal(isDue(held, entry, 3000), true);
  assert.equal(isDue(held, entry, 1999), true, 'over a minute before it came');
  assert.equal(isDue(held, { ...entry, contentDigest: 'bb' }, 2000), true);
  const other = parseSpiffeId('spiffe://example.org/b');
  assert.equal(isDue(held, { ...entry, spiffeId: other }, 2000), true);
});

test('an SVID is served until it expires, and never under another ID', () => {
  assert.equal(toIdentity(held, entry, 4999)?.chain, held.chain);
  assert.equal(toIdentity(held, entry, 5000), undefined);
  const other = parseSpiffeId('spiffe://example.org/b');
  assert.equal(toIdentity(held, { ...entry, spiffeId: other }, 2000), undefined);
  assert.equal(toIdentity(undefined, entry, 2000), undefined);
});
