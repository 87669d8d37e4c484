import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { type ClusterExplanation, explainCommand } from '../../../src/cli/explain.ts';
import { ClusterHarness, PATHS } from './cluster-harness.ts';

let cluster: ClusterHarness;
beforeEach(async () => {
  cluster = await ClusterHarness.start();
  cluster.decideBy('--trust-domain=a.test', '--cluster-name', 'blue', '--audit-log=-');
  cluster.set(PATHS.namespaces, {
    metadata: { name: 'shop', labels: { 'signet.dev/inject': 'true' } },
  });
  cluster.set(PATHS.nodes, { metadata: { name: 'n1' } });
  cluster.policy('by-name', {
    spiffeIDTemplate: 'spiffe://{{ .TrustDomain }}/{{ .ClusterName }}/{{ .PodMeta.Name }}',
  });
  cluster.policy('others', {
    spiffeIDTemplate: 'spiffe://a.test/x',
    podSelector: { matchLabels: { app: 'db' } },
  });
  cluster.set(PATHS.pods, {
    metadata: { name: 'web', namespace: 'shop', uid: 'uid-web' },
    spec: {
      nodeName: 'n1',
      shareProcessNamespace: true,
      volumes: [{ name: 'v', csi: { driver: 'csi.spiffe.io', readOnly: true } }],
      containers: [
        { name: 'app', volumeMounts: [{ name: 'v', mountPath: '/v' }] },
        { name: 'log' },
      ],
    },
  });
});
afterEach(async () => await cluster.stop());

const explain = async (...args: readonly string[]) =>
  await cluster.run(explainCommand, 'pod/web', ...args);
async function explained(...args: readonly string[]): Promise<ClusterExplanation> {
  const { out } = await explain('-o', 'json', ...args);
  return JSON.parse(out) as ClusterExplanation;
}

test('explain decides as the issuer of the cluster was told to', async () => {
  const { identities, policies } = await explained();
  assert.deepEqual(
    identities.map(({ spiffeId }) => spiffeId),
    ['spiffe://a.test/blue/web'],
  );
  assert.deepEqual(
    policies.map(({ policy, outcome }) => [policy, outcome]),
    [
      ['by-name', 'Served'],
      ['others', 'PodNotSelected'],
    ],
  );
  const [given] = (await explained('--cluster-name=green')).identities;
  assert.equal(given?.spiffeId, 'spiffe://a.test/green/web');
});

test('explain says who mounts the volume, who does not, and what injection made of it', async () => {
  const { mount } = await explained();
  assert.deepEqual(mount.volumes, ['v']);
  assert.deepEqual([mount.mountedBy, mount.notMountedBy], [['app'], ['log']]);
  assert.equal(mount.injection.reason, 'MountedByAuthor');
  assert.deepEqual(mount.doors, ['shareProcessNamespace']);
  const { out } = await explain();
  assert.match(out, /\nvolume: v, mounted by app; not by log\n/);
  assert.match(out, /\nevents: none of ours$/);
});

test('a pod that asked for injection and was made without it is told so', async () => {
  const metadata = { name: 'web', namespace: 'shop', uid: 'uid-web' };
  cluster.set(PATHS.pods, { metadata, spec: { nodeName: 'n1', containers: [{ name: 'app' }] } });
  const { mount } = await explained();
  assert.deepEqual(mount.volumes, []);
  assert.match(mount.injection.message, /^asks for injection, but was made without it/);
});

test('explain names the restriction that suspends the identity', async () => {
  cluster.set(PATHS.restrictions, {
    metadata: { name: 'stop' },
    spec: { match: { namespace: 'shop' }, suspend: true },
  });
  const { identities, refusal, policies } = await explained();
  assert.deepEqual([identities, refusal], [[], 'Suspended']);
  assert.match(policies[0]?.message ?? '', /suspended by IdentityRestriction stop/);
});

test('of the Events those of ours and those about the volume are shown', async () => {
  const event = (name: string, uid: string, more: object) =>
    cluster.set(PATHS.events, {
      metadata: { name, namespace: 'shop' },
      involvedObject: { kind: 'Pod', name: 'web', uid },
      lastTimestamp: '2026-01-01T00:00:00Z',
      type: 'Warning',
      ...more,
    });
  const ours = { reportingComponent: 'signet-issuer', reason: 'RenderFailed', message: 'no' };
  event('1', 'uid-web', ours);
  event('2', 'uid-before', ours);
  event('3', 'uid-web', { reason: 'Pulled', source: { component: 'kubelet' } });
  const mount = (volume: string) => `MountVolume.SetUp failed for volume "${volume}" : late`;
  event('4', 'uid-web', { reason: 'FailedMount', message: mount('v') });
  event('5', 'uid-web', { reason: 'FailedMount', message: mount('other') });
  const { events } = await explained();
  assert.deepEqual(
    events.map(({ reason }) => reason),
    ['RenderFailed', 'FailedMount'],
  );
});

test('what may not be read is said, and the rest still told', async () => {
  cluster.forbid('/api/v1/namespaces/shop/events');
  cluster.forbid('/api/v1/nodes/n1');
  const { code, err } = await explain();
  assert.equal(code, 0);
  assert.match(err, /^! GET \/api\/v1\/nodes\/n1: 403 /m);
  assert.match(err, /^! GET \/api\/v1\/namespaces\/shop\/events: 403 /m);
});

test('without an issuer to ask, the trust domain must be given', async () => {
  cluster.api.delete(PATHS.deployments, 'signet-issuer', 'signet');
  await assert.rejects(explain(), { message: '--trust-domain: must be given' });
  assert.equal((await explain('--trust-domain=a.test')).code, 0);
  await assert.rejects(explain('-n', 'other', '--trust-domain=a.test'), {
    message: 'pod/web: no such pod in namespace other',
  });
});
