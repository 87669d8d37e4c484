import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { revokeCommand } from '../../../src/cli/revoke.ts';
import type { Receipt } from '../../../src/cli/revoke-receipt.ts';
import { ClusterHarness, PATHS } from './cluster-harness.ts';

let cluster: ClusterHarness;
beforeEach(async () => {
  cluster = await ClusterHarness.start();
  cluster.decideBy('--trust-domain=a.test');
  cluster.set(PATHS.namespaces, { metadata: { name: 'shop' } });
  cluster.set(PATHS.namespaces, { metadata: { name: 'other' } });
  cluster.set(PATHS.nodes, { metadata: { name: 'n1' } });
  cluster.policy('sa', {
    spiffeIDTemplate: 'spiffe://a.test/{{ .PodMeta.Namespace }}/{{ .PodSpec.ServiceAccountName }}',
    ttl: '15m',
  });
  pod('web-1', 'shop', 'web');
  pod('web-2', 'shop', 'web');
  pod('db-1', 'shop', 'db');
  pod('web-3', 'other', 'web');
});
afterEach(async () => await cluster.stop());

function pod(name: string, namespace: string, serviceAccountName: string): void {
  const owner = { kind: 'ReplicaSet', name: 'web-7', uid: 'rs', controller: true };
  cluster.set(PATHS.pods, {
    metadata: { name, namespace, uid: `uid-${name}`, ownerReferences: [owner] },
    spec: { nodeName: 'n1', serviceAccountName, containers: [] },
  });
}

/** A controller that is quick, so that no test waits for it. */
function confirm(status = 'True'): void {
  const write = cluster.api.set.bind(cluster.api);
  cluster.api.set = (collection, object, options) =>
    write(
      collection,
      collection === PATHS.restrictions
        ? { ...object, status: { conditions: [{ type: 'InEffect', status }] } }
        : object,
      options,
    );
}
const revoke = async (...args: readonly string[]) => await cluster.run(revokeCommand, ...args);
async function receipt(...args: readonly string[]): Promise<Receipt> {
  const { out } = await revoke('-o', 'json', ...args);
  return JSON.parse(out) as Receipt;
}
const reached = ({ identities }: Receipt) => identities.map(({ pod: name }) => name).toSorted();
const stored = () => cluster.api.all(PATHS.restrictions);

const TARGETS: readonly (readonly [readonly string[], object, readonly string[]])[] = [
  [['spiffe://a.test/shop/web'], { spiffeID: 'spiffe://a.test/shop/web' }, ['web-1', 'web-2']],
  [['pod/web-1', '-n', 'shop'], { podUID: 'uid-web-1' }, ['web-1']],
  [['sa/web', '-n', 'shop'], { namespace: 'shop', serviceAccount: 'web' }, ['web-1', 'web-2']],
  [['namespace/shop'], { namespace: 'shop' }, ['db-1', 'web-1', 'web-2']],
];
for (const [args, match, pods] of TARGETS) {
  test(`${args.join(' ')}: one object, of exactly these pods, that --undo takes away`, async () => {
    confirm();
    const made = await receipt(...args, '--cause', 'leaked key');
    assert.deepEqual([made.action, made.inEffect, made.isComplete], ['Created', true, true]);
    assert.deepEqual(reached(made), pods);
    assert.deepEqual(
      stored().map(({ spec }) => spec),
      [{ match, suspend: true, cause: 'leaked key' }],
    );
    const again = await receipt(...args);
    assert.deepEqual([again.action, reached(again)], ['Unchanged', pods]);
    assert.equal((await revoke(...args, '--undo')).code, 0);
    assert.deepEqual(stored(), []);
    await assert.rejects(revoke(...args, '--undo'), { code: 'invalid-argument' });
  });
}

test('the receipt says when what is out ends at the latest, by the policy', async () => {
  confirm();
  const before = Date.now();
  const { identities, x509EndsAtLatest, jwtEndsAtLatest } = await receipt('pod/db-1');
  const after = Date.now();
  const within = (text: string, ms: number) => {
    assert.ok(Date.parse(text) >= before + ms && Date.parse(text) <= after + ms + 3000, text);
  };
  within(x509EndsAtLatest, 15 * 60_000);
  within(jwtEndsAtLatest, 5 * 60_000);
  assert.equal(identities[0]?.spiffeId, 'spiffe://a.test/shop/db');
  const { out } = await revoke('pod/web-1');
  assert.match(out, /^IdentityRestriction revoke-pod-shop-web-1-[0-9a-f]{10}: created/);
  assert.match(
    out,
    /\nX\.509-SVIDs that are out work until .*Z at the latest, where the verifier reads no CRL;/,
  );
  assert.match(
    out,
    /\nnote: ReplicaSet web-7 makes a successor .*: signet revoke sa\/web -n shop$/,
  );
});

test('a second call may make it longer, never shorter', async () => {
  confirm();
  const hour = await receipt('sa/web', '--until', '1h');
  const sooner = await receipt('sa/web', '--until', '1m');
  assert.deepEqual([sooner.action, sooner.until], ['Unchanged', hour.until]);
  const later = await receipt('sa/web', '--until', '2099-01-01T00:00:00Z');
  assert.deepEqual([later.action, later.until], ['Updated', '2099-01-01T00:00:00Z']);
  assert.equal((await receipt('sa/web')).until, undefined);
  const forGood = await receipt('sa/web', '--until', '1h');
  assert.deepEqual([forGood.action, forGood.until], ['Unchanged', undefined]);
  assert.deepEqual(stored()[0]?.['spec'], {
    match: { namespace: 'shop', serviceAccount: 'web' },
    suspend: true,
  });
});

test('an object of the name that somebody made harmless suspends again', async () => {
  confirm();
  const { restriction } = await receipt('sa/web');
  const harmless = { match: { namespace: 'shop', serviceAccount: 'web', node: 'x' }, jwt: 'Deny' };
  cluster.set(PATHS.restrictions, { metadata: { name: restriction }, spec: harmless });
  assert.equal((await receipt('sa/web')).action, 'Updated');
  assert.deepEqual(stored()[0]?.['spec'], {
    match: { namespace: 'shop', serviceAccount: 'web' },
    suspend: true,
    jwt: 'Deny',
  });
});

test('--undo takes away what it wrote, and leaves what others added to the object', async () => {
  confirm();
  await revoke('sa/web', '--cause', 'leaked key');
  const [object] = stored();
  assert.ok(object !== undefined);
  const spec = object['spec'] as object;
  cluster.set(PATHS.restrictions, { ...object, spec: { ...spec, jwt: 'Deny' } });
  assert.equal((await revoke('sa/web', '--undo')).code, 0);
  assert.deepEqual(stored()[0]?.['spec'], {
    match: { namespace: 'shop', serviceAccount: 'web' },
    jwt: 'Deny',
  });
});

test('--dry-run writes nothing and tells the same', async () => {
  const made = await receipt('namespace/shop', '--dry-run');
  assert.deepEqual([made.action, reached(made)], ['DryRun', ['db-1', 'web-1', 'web-2']]);
  assert.deepEqual(stored(), []);
  assert.ok(cluster.api.requests.every(({ method }) => method === 'GET'));
  confirm();
  await revoke('namespace/shop');
  assert.match((await revoke('namespace/shop', '--undo', '--dry-run')).out, /: would be deleted$/);
  assert.equal(stored().length, 1);
});

test('it is written before it is counted, and stands when that fails', async () => {
  confirm();
  cluster.forbid('/apis/spire.spiffe.io/v1alpha1/clusterspiffeids');
  const { out, code } = await revoke('sa/web');
  assert.equal(code, 0);
  assert.equal(stored().length, 1);
  assert.match(out, /\nNot everything could be read: it may reach more than is told here\.\n/);
  assert.doesNotMatch(out, /no pod has such an identity/);
});

test('a write that is refused is a failure', async () => {
  cluster.forbid(PATHS.restrictions);
  await assert.rejects(revoke('sa/web'), { code: 'permission-denied' });
});

test('a controller that reports it ineffective makes it 1', async () => {
  confirm('False');
  const { code, out } = await revoke('sa/web');
  assert.equal(code, 1);
  assert.match(out, /NOT in effect/);
});

for (const args of [
  ['web'],
  ['deployment/web'],
  ['sa/Web'],
  ['spiffe://a.test/a//b'],
  ['pod/none'],
  ['sa/web', '--until', '-1h'],
  ['sa/web', '--until', '2020-01-01T00:00:00Z'],
  ['sa/web', '--undo', '--cause', 'x'],
]) {
  test(`${args.join(' ')}: refused, and nothing written`, async () => {
    await assert.rejects(revoke(...args), { code: 'invalid-argument' });
    assert.deepEqual(stored(), []);
  });
}

test('--explain says what it does not do', async () => {
  const { out, code } = await revoke('--explain');
  assert.equal(code, 0);
  assert.match(out, /verifiers that read no CRL/);
});
