// Who is on the lists, and for how long.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RevokedCertificate } from '../../../../src/authorities/revocation-document.ts';
import type { HeldSerial } from '../../../../src/issuer/held-inventory.ts';
import {
  MAX_REPORTED,
  MAX_REVOKED,
  nextRevoked,
  type SuspendedCertificate,
} from '../../../../src/issuer/revocation/revocation-list.ts';

const NOW = Date.UTC(2026, 0, 1);
const SECONDS = NOW / 1000;

function held(serial: string, change: Partial<HeldSerial> = {}): HeldSerial {
  const of = { podUid: 'pod', entryId: 'e', node: 'n', namespace: 'city', serviceAccount: 'agent' };
  return { serial, notAfter: NOW + 3_600_000, authority: 'int-1', ...of, ...change };
}

const by = (name: string, isForGood: boolean) => ({ name, isForGood });
const suspended = (serial: string, ...names: ReturnType<typeof by>[]): SuspendedCertificate => ({
  held: held(serial),
  by: names,
});
const next = (
  before: readonly RevokedCertificate[],
  of: readonly SuspendedCertificate[] = [],
  inForce: ReadonlySet<string> | undefined = new Set(),
) => nextRevoked({ before, suspended: of, inForce, now: NOW });

test('a suspension with an end holds, and lifting it takes its certificates off', () => {
  const { revoked, added } = next([], [suspended('aa', by('night', false))], new Set(['night']));
  assert.deepEqual(revoked, [
    {
      serial: 'aa',
      notAfter: SECONDS + 3600,
      revokedAt: SECONDS,
      authority: 'int-1',
      held: true,
      by: ['night'],
    },
  ]);
  assert.equal(added.length, 1);
  assert.deepEqual(next(revoked).revoked, []);
});

test('a suspension without an end is for good, whoever lifts it', () => {
  const { revoked } = next([], [suspended('aa', by('stop', true))], new Set(['stop']));
  assert.equal(revoked[0]?.held, false);
  assert.equal(next(revoked).revoked, revoked, 'the same object: nothing to write');
});

test('of several suspensions the strictest counts, and the last to go takes off', () => {
  const two = [suspended('aa', by('a', false), by('b', false))];
  const { revoked } = next([], two, new Set(['a', 'b']));
  const one = next(revoked, [], new Set(['b'])).revoked;
  assert.deepEqual(one[0]?.by, ['b']);
  const stopped = next(one, [suspended('aa', by('b', false), by('c', true))], new Set(['b', 'c']));
  assert.equal(stopped.revoked[0]?.held, false);
  assert.deepEqual(stopped.added, [], 'it was on it before');
  assert.equal(next(stopped.revoked).revoked.length, 1);
});

test('a view that may be older than the last writer’s lifts nothing, and adds', () => {
  const { revoked } = next([], [suspended('aa', by('a', false))], new Set(['a']));
  const lagging = nextRevoked({
    before: revoked,
    suspended: [suspended('bb', by('old', false))],
    inForce: undefined,
    now: NOW,
  });
  assert.deepEqual(
    lagging.revoked.map(({ serial }) => serial),
    ['aa', 'bb'],
  );
});

test('an entry ends a little after its certificate', () => {
  const { revoked } = next([], [suspended('aa', by('a', true))]);
  const at = (now: number) =>
    nextRevoked({ before: revoked, suspended: [], inForce: undefined, now }).revoked.length;
  assert.equal(at(NOW + 3_600_000), 1);
  assert.equal(at(NOW + 3_600_000 + 600_000), 0);
});

test('what another replica learnt of the signer is kept', () => {
  const reported: SuspendedCertificate = {
    held: { ...held('aa'), authority: undefined as never },
    by: [by('a', true)],
  };
  const { revoked } = next([], [reported]);
  assert.equal(revoked[0]?.authority, undefined);
  const merged = next(revoked, [suspended('aa', by('a', true))]).revoked;
  assert.equal(merged[0]?.authority, 'int-1');
  assert.equal(next(merged, [reported]).revoked, merged);
});

test('the list is bounded, and says what had no room', () => {
  const many = Array.from({ length: MAX_REVOKED + 7 }, (_, index) =>
    suspended((index + 0x1000).toString(16), by('all', true)),
  );
  const { revoked, left } = next([], many, new Set(['all']));
  assert.equal(revoked.length, MAX_REVOKED);
  assert.equal(left, 7);
  const names = Array.from({ length: 30 }, (_, index) => by(`r${index}`, true));
  const wide = next([], [suspended('aa', ...names)]).revoked;
  assert.equal(wide[0]?.by.length, 8);
  assert.equal(next(wide, [suspended('aa', ...names)]).revoked, wide);
});

test('what only nodes say fills half of the list at most, after what issuers know', () => {
  const reported = Array.from({ length: MAX_REVOKED }, (_, index): SuspendedCertificate => {
    const { authority: _unknown, ...rest } = held((index + 0x1000).toString(16));
    return { held: { ...rest, isReported: true }, by: [by('all', true)] };
  });
  const own = suspended('ffff', by('all', true));
  const first = next([], [...reported, own], new Set(['all']));
  assert.equal(first.revoked.length, MAX_REPORTED + 1);
  assert.equal(first.revoked[0]?.serial, 'ffff');
  assert.equal(first.left, MAX_REVOKED - MAX_REPORTED);
  const second = next(first.revoked, reported, new Set(['all']));
  assert.equal(second.revoked, first.revoked, 'nor do they with every look');
});

test('an entry that no list can have is left out, and costs the others nothing', () => {
  const wrong = ['00', '0000', '0001', 'aa'.repeat(21)];
  const of = [...wrong, '01', '80'].map((serial) => suspended(serial, by('a', true)));
  const { revoked, unsignable } = next([], of, new Set(['a']));
  assert.deepEqual(
    revoked.map(({ serial }) => serial),
    ['01', '80'],
  );
  assert.equal(unsignable, 4);
  const [good = assert.fail()] = revoked;
  const written = [
    ...wrong.map((serial) => ({ ...good, serial })),
    { ...good, serial: '05', revokedAt: -1 },
    { ...good, serial: '06', revokedAt: Number.MAX_SAFE_INTEGER },
    good,
    { ...good },
  ];
  const cleaned = next(written, [], new Set(['a']));
  assert.deepEqual(cleaned.revoked, [good], 'one that was written down before is taken off');
});
