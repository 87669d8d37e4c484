import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { checkCommand } from '../../../../src/cli/check.ts';
import { ClusterHarness, OURS, PATHS } from '../cluster-harness.ts';

let cluster: ClusterHarness;
beforeEach(async () => {
  cluster = await ClusterHarness.start();
});
afterEach(async () => await cluster.stop());

test('an installation that works passes, without a warning', async () => {
  cluster.install();
  const { code, warnings, failures } = await cluster.check();
  assert.deepEqual([warnings, failures], [[], []]);
  assert.equal(code, 0);
});

test('the check of an installation only reads', async () => {
  cluster.install();
  await cluster.check();
  await cluster.check('--pre');
  assert.deepEqual(new Set(cluster.api.requests.map(({ method }) => method)), new Set(['GET']));
});

test('people get columns, programs YAML', async () => {
  cluster.install();
  const table = await cluster.run(checkCommand);
  assert.match(table.out, /^STATUS +CHECK +FOUND\nok +api-server +v1\.33\.2\n/);
  const yaml = await cluster.run(checkCommand, '-o', 'yaml');
  assert.match(yaml.out, /^findings:\n {2}- check: api-server\n {4}status: ok\n/);
});

test('an empty cluster fails everything that must be there', async () => {
  const { code, failures } = await cluster.check();
  assert.equal(code, 1);
  const failed = new Set(failures.map((line) => line.split(':')[0]));
  assert.deepEqual([...failed], ['workloads', 'leader', 'authorities', 'driver', 'crd-fields']);
});

type Break = readonly [what: string, act: (to: ClusterHarness) => void, says: RegExp];
const meta = (name: string) => ({ name, namespace: 'signet', labels: OURS });
const BREAKS: readonly Break[] = [
  [
    'a node plugin that is not ready',
    (to) =>
      to.set(PATHS.daemonSets, {
        metadata: meta('signet-node'),
        status: { desiredNumberScheduled: 2, numberReady: 1 },
      }),
    /^workloads: DaemonSet signet-node: 1 of 2 ready$/,
  ],
  [
    'a lease that nobody renews',
    (to) =>
      to.set(PATHS.leases, {
        metadata: meta('signet-controller'),
        spec: { holderIdentity: 'c', renewTime: '2020-01-01T00:00:00.000000Z' },
      }),
    /^leader: no controller leads$/,
  ],
  [
    'a webhook without caBundle',
    (to) =>
      to.set(PATHS.validating, {
        metadata: { name: 'signet', labels: OURS },
        webhooks: [{ name: 'x.signet.dev', clientConfig: {} }],
      }),
    /^webhook: ValidatingWebhookConfiguration signet: no caBundle in x\.signet\.dev$/,
  ],
  [
    'an empty issuer CA',
    (to) => to.set(PATHS.configMaps, { metadata: meta('signet-issuer-ca') }),
    /^authorities: ConfigMap signet-issuer-ca: empty or not there/,
  ],
  [
    'a kubelet that does not know the driver',
    (to) => to.set(PATHS.csiNodes, { metadata: { name: 'n2' }, spec: { drivers: [] } }),
    /^registered: n2: the kubelet does not know the driver$/,
  ],
  [
    'a driver that tells no pods apart',
    (to) => to.set(PATHS.drivers, { metadata: { name: 'csi.spiffe.io', labels: OURS }, spec: {} }),
    /^driver: CSI driver csi\.spiffe\.io: podInfoOnMount is not true/,
  ],
  [
    'a CRD of another tool',
    (to) =>
      to.set(PATHS.crds, {
        metadata: { name: 'identityrestrictions.signet.dev' },
        spec: { versions: [{ name: 'v1alpha1', schema: { openAPIV3Schema: {} } }] },
      }),
    /^crd-fields: identityrestrictions\.signet\.dev: lacks spec, status: what policies say/,
  ],
  [
    'an old control plane',
    (to) => (to.version = 'v1.29.9'),
    /^api-server: version v1\.29\.9 is older/,
  ],
];
for (const [what, act, says] of BREAKS) {
  test(`${what} is a failure, and the only one`, async () => {
    cluster.install();
    act(cluster);
    const { code, failures, findings } = await cluster.check();
    assert.equal(failures.length, 1, failures.join('\n'));
    assert.match(failures[0] ?? '', says);
    assert.equal(code, 1);
    for (const { status, hint } of findings) if (status === 'fail') assert.notEqual(hint, '');
  });
}

test('who else can read the keys is told, cluster administrators by name included', async () => {
  cluster.install();
  const rules = [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }];
  cluster.set(PATHS.clusterRoles, { metadata: { name: 'reader' }, rules });
  cluster.set(PATHS.clusterRoleBindings, {
    metadata: { name: 'r' },
    roleRef: { kind: 'ClusterRole', name: 'reader' },
    subjects: [
      { kind: 'User', name: 'jane' },
      { kind: 'ServiceAccount', namespace: 'ci', name: 'deployer' },
      { kind: 'User', name: 'system:anonymous' },
      { kind: 'Group', name: 'system:masters' },
      { kind: 'ServiceAccount', namespace: 'kube-system', name: 'x' },
      { kind: 'ServiceAccount', namespace: 'signet', name: 'signet-issuer' },
    ],
  });
  const { code, warnings } = await cluster.check();
  assert.deepEqual(warnings, [
    'secret-readers: may read Secrets in signet: ServiceAccount ci/deployer, User jane, User system:anonymous',
  ]);
  assert.equal(code, 0);
});

test('what may not be seen is a warning that says so', async () => {
  cluster.install();
  cluster.forbid('/apis/rbac.authorization.k8s.io/v1/clusterroles');
  const { code, warnings } = await cluster.check();
  assert.equal(code, 0);
  assert.match(warnings.join('\n'), /^secret-readers: could not look: GET .*clusterroles: 403/);
});

test('an API server that does not answer is an error, not a report', async () => {
  cluster.api.faults.unshift({ on: () => true, act: 'drop' });
  await assert.rejects(cluster.run(checkCommand), { code: 'unavailable' });
});

test('before an installation: what SPIRE left is named', async () => {
  cluster.set(PATHS.drivers, {
    metadata: { name: 'csi.spiffe.io', labels: { 'app.kubernetes.io/name': 'spiffe-csi-driver' } },
  });
  cluster.set(PATHS.validating, {
    metadata: { name: 'spire-controller-manager-webhook' },
    webhooks: [
      {
        name: 'vclusterspiffeid.kb.io',
        failurePolicy: 'Fail',
        clientConfig: { service: { namespace: 'spire', name: 'webhook' } },
        rules: [{ apiGroups: ['spire.spiffe.io'] }],
      },
    ],
  });
  cluster.set(PATHS.crds, {
    metadata: {
      name: 'clusterspiffeids.spire.spiffe.io',
      annotations: {
        'meta.helm.sh/release-name': 'spire-crds',
        'meta.helm.sh/release-namespace': 'spire',
      },
    },
  });
  cluster.mountingPod('web');
  cluster.mountingPod('done', 'Succeeded');
  const { code, failures, warnings } = await cluster.check('--pre');
  assert.equal(code, 1);
  assert.deepEqual(failures, [
    'driver-owner: CSI driver csi.spiffe.io belongs to spiffe-csi-driver',
    'foreign-webhooks: webhook configuration spire-controller-manager-webhook asks Service spire/webhook, which is gone: no policy can be written',
  ]);
  assert.deepEqual(warnings, [
    'foreign-crds: clusterspiffeids.spire.spiffe.io was made by Helm release spire-crds in namespace spire',
    'foreign-volumes: node n1: 1 pods mount csi.spiffe.io of somebody else: shop/web',
  ]);
});

test('before an installation: other kubelet roots and old kubelets are found', async () => {
  const status = { nodeInfo: { kubeletVersion: 'v1.29.1+k0s' } };
  cluster.set(PATHS.nodes, { metadata: { name: 'n1' }, status });
  const { code, warnings } = await cluster.check('--pre');
  assert.equal(code, 0);
  assert.deepEqual(warnings, [
    'nodes: n1: kubelet older than v1.30',
    'kubelet-root: kubelets keep their pods in /var/lib/k0s/kubelet',
  ]);
});

test('before it is removed: a pod that mounts the driver is a failure, one that is over is not', async () => {
  cluster.mountingPod('done', 'Failed');
  assert.equal((await cluster.check('--uninstall')).code, 0);
  cluster.mountingPod('web');
  const { code, failures } = await cluster.check('--uninstall');
  assert.equal(code, 1);
  assert.deepEqual(failures, ['still-mounted: node n1: 1 pods mount csi.spiffe.io: shop/web']);
  assert.deepEqual(new Set(cluster.api.requests.map(({ path }) => path)), new Set([PATHS.pods]));
});

test('--pre and --uninstall exclude each other', async () => {
  await assert.rejects(cluster.run(checkCommand, '--pre', '--uninstall'), {
    code: 'invalid-argument',
  });
});
