// Nodes as witnesses of audit logs, from the issuer that shows to the one that is told.

import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { silentLogger } from '../../../../src/base/log.ts';
import { NodeAudit } from '../../../../src/issuer/audit/node-audit.ts';
import { HeldInventory } from '../../../../src/issuer/held-inventory.ts';
import { AuditWitness } from '../../../../src/node/audit-witness.ts';
import {
  AuditCheckpointSchema,
  HeldSvidSchema,
} from '../../../../src/transport/gen/signet/issuer_pb.ts';
import { FakeClock } from '../../../fakes/fake-clock.ts';
import {
  newSigning,
  problemsIn,
  Replica,
  type Signing,
  verifyLines,
} from '../../audit/audit-harness.ts';
import { NODE, TRUST_DOMAIN } from '../fixtures.ts';

const clock = new FakeClock();
const caller = { node: NODE, credentialId: 'JTI=1', expiresAt: Number.POSITIVE_INFINITY };
let signing: Signing;
before(async () => {
  signing = await newSigning(clock);
});

function newIssuer(name: string) {
  const replica = new Replica(name, { clock, signer: signing.signer });
  const inventory = new HeldInventory();
  const common = { trustDomain: TRUST_DOMAIN, inventory, clock, log: silentLogger };
  return { replica, inventory, nodes: new NodeAudit({ ...common, trail: replica.trail }) };
}

let a: ReturnType<typeof newIssuer>;
let b: ReturnType<typeof newIssuer>;
let errors: string[];
let witness: AuditWitness;
beforeEach(async () => {
  a = newIssuer('issuer-a');
  b = newIssuer('issuer-b');
  for (const { replica } of [a, b]) replica.issue('01');
  for (const { replica } of [a, b]) await replica.settle();
  errors = [];
  const error = (_: object, message: string) => void errors.push(message);
  witness = new AuditWitness({ ...silentLogger, error });
});

function show(issuer: ReturnType<typeof newIssuer>, change: object = {}): void {
  const checkpoint = issuer.nodes.checkpoint ?? assert.fail();
  witness.see(create(AuditCheckpointSchema, { ...checkpoint, ...change }));
}

/** As the node's next Watch says it, to B. */
async function tellB(): Promise<void> {
  for (const report of witness.reports()) {
    if (report.case !== 'witnessed') assert.fail();
    const checkpoints = report.value.checkpoints ?? [];
    b.nodes.witnessed(
      checkpoints.map((each) => create(AuditCheckpointSchema, each)),
      caller,
    );
  }
  await b.replica.settle();
}

test('a log that is gone, or cut, is missed by what a node told another issuer', async () => {
  show(a);
  await tellB();
  const found = verifyLines({ b: b.replica.lines }).problems;
  assert.deepEqual(
    found.map(({ problem, replica, detail }) => [
      problem,
      replica,
      detail.includes(`node ${NODE}`),
    ]),
    [['MissingChain', 'issuer-a', true]],
  );
  const files = { a: a.replica.lines, b: b.replica.lines };
  assert.deepEqual(problemsIn(verifyLines(files)), []);
  const cut = { ...files, a: a.replica.lines.slice(0, 2) };
  assert.deepEqual(problemsIn(verifyLines(cut)), ['CutAtEnd a:2']);
});

test('a word that no issuer signed is not taken up', async () => {
  for (const change of [
    { sequence: 99n },
    { hash: new Uint8Array(32) },
    { chain: 'f'.repeat(32) },
    { chain: '', key: 'x' },
    { at: 9n ** 20n },
  ]) {
    show(a, change);
  }
  await tellB();
  assert.ok(!b.replica.lines.some((line) => line.includes('CheckpointWitnessed')));
});

test('a node can have a report of signatures checked at once, then one a minute, and none for old words', async (t) => {
  const { mock } = t.mock.method(b.replica.trail, 'witness');
  const known = a.nodes.checkpoint ?? assert.fail();
  const tell = (from: object, node = NODE) => {
    const message = create(AuditCheckpointSchema, { ...known, ...from });
    b.nodes.witnessed(Array(64).fill(message), { ...caller, node });
  };
  tell({});
  await b.replica.settle();
  const one = mock.callCount();
  for (let again = 0; again < 50; again += 1) tell({});
  for (let again = 0; again < 50; again += 1) tell({ key: 'f'.repeat(32), sequence: 99n });
  assert.equal(mock.callCount(), one);
  await clock.advance(60_000);
  for (let again = 0; again < 50; again += 1) tell({ sequence: 99n });
  assert.equal(mock.callCount(), one + 64);
  tell({ sequence: 99n }, 'another-node');
  await clock.advance(60_000);
  for (let again = 0; again < 50; again += 1) tell({ sequence: 99n });
  assert.equal(mock.callCount(), one + 3 * 64);
});

test('a node that is shown two histories keeps the first and says so, once', async () => {
  show(a);
  for (let again = 0; again < 3; again += 1) show(a, { hash: new Uint8Array(32) });
  assert.deepEqual(errors, ['An issuer has shown two audit logs that cannot both be true']);
  await tellB();
  assert.deepEqual(problemsIn(verifyLines({ a: a.replica.lines, b: b.replica.lines })), []);
});

test('a node keeps a bounded number of words, each of bounded size', () => {
  for (let at = 0; at < 200; at += 1) show(a, { chain: String(at).padStart(32, '0') });
  show(a, { chain: 'x'.repeat(10_000) });
  const [report] = witness.reports();
  assert.equal(report?.case === 'witnessed' && report.value.checkpoints?.length, 64);
});

const held = (serial: string, notBefore = clock.now()) =>
  create(HeldSvidSchema, {
    podUid: 'pod-uid',
    entryId: 'entry',
    serial: Buffer.from(serial, 'hex'),
    notBefore: BigInt(Math.floor(notBefore / 1000)),
    notAfter: BigInt(Math.floor(notBefore / 1000) + 3600),
  });

test('what a node holds and the issuer did not sign is written down, once, and found by who reads all logs', async () => {
  b.inventory.add({
    serial: '05',
    notAfter: clock.now() + 1,
    podUid: 'pod-uid',
    entryId: 'entry',
    node: NODE,
    namespace: 'n',
    serviceAccount: 's',
  });
  for (let again = 0; again < 2; again += 1) {
    b.nodes.held([held('01'), held('05'), held('66'), held('07', 0)], caller);
  }
  await b.replica.settle();
  const lines = b.replica.lines.filter((line) => line.includes('SvidsHeld'));
  assert.equal(lines.length, 1);
  const { problems } = verifyLines({ a: a.replica.lines, b: b.replica.lines });
  assert.deepEqual(
    problems.map(({ problem, detail }) => [problem, / holds (\w+) /.exec(detail)?.[1]]),
    [['Unlogged', '66']],
  );
});

test('what nodes say of when a certificate began is written down where it can be, of each node', async () => {
  const day = 86_400_000;
  const impossible = [clock.now() + 600_000, clock.now() - day - 600_000, 253_402_300_000_000];
  b.nodes.held(
    impossible.map((from, at) => held(`7${at}`, from)),
    caller,
  );
  assert.ok(!b.replica.lines.some((line) => line.includes('SvidsHeld')));
  b.nodes.held([held('66', clock.now() - day)], { ...caller, node: 'first' });
  b.nodes.held([held('66')], caller);
  await b.replica.settle();
  const since = clock.now() - 60_000;
  const { problems } = verifyLines({ a: a.replica.lines, b: b.replica.lines }, { since });
  assert.deepEqual(
    problems.map(({ detail }) => detail.split(' ').slice(0, 4).join(' ')),
    [`node ${NODE} holds 66`],
  );
});

test('a node that makes serial numbers up fills no log', () => {
  for (let at = 0; at < 300; at += 1) {
    const many = Array.from({ length: 32 }, (_, each) =>
      held(`01${(at * 32 + each + 1).toString(16).padStart(8, '0')}`),
    );
    b.nodes.held(many, caller);
  }
  const lines = b.replica.lines.filter((line) => line.includes('SvidsHeld'));
  assert.ok(lines.length > 0 && lines.length <= 64, `${lines.length} lines`);
});
