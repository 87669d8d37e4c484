// Whose word it takes that a certificate was issued, and what nodes can say of one.

import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import { AuditChain } from '../../../src/audit/audit-chain.ts';
import type { AuditEvent } from '../../../src/audit/audit-log.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';
import { TRUST_DOMAIN } from '../issuer/fixtures.ts';
import { issued, newRoles, problemsIn, Replica, verifyLines } from './audit-harness.ts';

const clock = new FakeClock();
let roles: Awaited<ReturnType<typeof newRoles>>;
before(async () => {
  roles = await newRoles(clock);
});

let a: Replica;
beforeEach(async () => {
  a = new Replica('issuer-a', { clock, signer: roles.issuer });
  a.issue('01');
  await a.settle();
});

function held(serial: string, notBefore: string, node = 'n1'): AuditEvent {
  const of = { podUid: 'p', entryId: 'e', notBefore };
  return { event: 'SvidsHeld', trustDomain: TRUST_DOMAIN, node, held: [{ serial, ...of }] };
}

const now = () => new Date(clock.now()).toISOString();
const verify = (files: Readonly<Record<string, readonly string[]>>, since?: number) =>
  verifyLines(files, { authorities: roles.authorities, since });

test('a line that no issuer signed does not say that a certificate was issued', async () => {
  a.trail.append([held('beef', now())]);
  await a.settle();
  const made = new AuditChain('issuer-x').lines([issued('beef')], clock.now());
  const { problems } = verify({ a: a.lines, x: made.map(({ text }) => text) });
  assert.deepEqual(
    problems.map(({ problem, file }) => [problem, file]),
    [['Unlogged', 'a']],
  );
  assert.match(problems[0]?.detail ?? '', /only x:2 says it was issued, which no issuer signed/);
});

test('nor does one that the controller signed, which is named', async () => {
  a.trail.append([held('beef', now())]);
  await a.settle();
  const controller = new Replica('issuer-b', { clock, signer: roles.controller });
  controller.trail.append([{ event: 'RestrictionMade', trustDomain: TRUST_DOMAIN }]);
  await controller.settle();
  assert.deepEqual(problemsIn(verify({ b: controller.lines })), []);
  controller.issue('beef');
  await controller.settle();
  const line = controller.lines.findIndex((each) => each.includes('beef')) + 1;
  assert.deepEqual(problemsIn(verify({ a: a.lines, b: controller.lines })), [
    `UntrustedKey b:${line}`,
    `Unlogged a:${a.lines.findIndex((each) => each.includes('SvidsHeld')) + 1}`,
  ]);
});

test('a line after the last checkpoint of an issuer is said to be not proven', async () => {
  const b = new Replica('issuer-b', { clock, signer: roles.issuer });
  a.issue('beef');
  b.trail.append([held('beef', now())]);
  await b.settle();
  const files = { a: a.lines, b: b.lines };
  const report = verify(files);
  assert.deepEqual(problemsIn(report), []);
  assert.match(report.notProven.join('\n'), /n1 holds beef .*a:\d+ says it was issued, under no/);
  await a.settle();
  assert.doesNotMatch(verify(files).notProven.join(), /beef/);
});

test('what one node says of a serial hides nothing of what another says, and nothing is held for ever', async () => {
  a.trail.append([held('beef', '1970-01-01T00:00:01.000Z', 'first')]);
  a.trail.append([held('beef', now(), 'second'), held('beef', '1970-01-01T00:00:01Z', 'second')]);
  a.trail.append([held('ffff', '9999-12-31T00:00:00.000Z'), held('eeee', 'never')]);
  await a.settle();
  const holders = (since: number) =>
    verify({ a: a.lines }, since).problems.map(({ detail }) => detail.split(' for ')[0]);
  assert.deepEqual(holders(clock.now() - 1000), [
    'node second holds beef',
    'node n1 holds ffff',
    'node n1 holds eeee',
  ]);
  assert.deepEqual(holders(clock.now() + 300_001), []);
});

test('a kept word by a key that no log names confirms nothing, and is no word for ever', async () => {
  const word = a.trail.newest ?? assert.fail();
  const stranger = { ...word, key: 'f'.repeat(32) };
  const options = { authorities: roles.authorities };
  const report = verifyLines({ a: a.lines }, { ...options, anchors: [stranger] });
  assert.deepEqual(problemsIn(report), ['BadAnchor :0']);
  assert.equal(report.chains[0]?.confirmedTo, 0);
  const checkpoint = { ...stranger, chain: 'f'.repeat(32), at: '9998-01-01T00:00:00.000Z' };
  a.trail.append([{ event: 'CheckpointWitnessed', trustDomain: TRUST_DOMAIN, checkpoint }]);
  await a.settle();
  assert.deepEqual(problemsIn(verify({ a: a.lines })), ['MissingChain :0']);
  assert.deepEqual(problemsIn(verify({ a: a.lines }, clock.now() + 300_001)), []);
});
