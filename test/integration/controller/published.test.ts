import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { COLLECTIONS } from '../../../src/cluster-view/cluster-view.ts';
import { parseSpiffeBundle } from '../../../src/spiffe/bundle/bundle-parse.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { CONFIG_MAPS, ControllerHarness, EVENTS, TRUST_DOMAIN } from './controller-harness.ts';

const BUNDLES = '/apis/certificates.k8s.io/v1beta1/clustertrustbundles';
const BUNDLE_NAME = 'signet.dev:spiffe:example.org';

let cluster: ControllerHarness;
beforeEach(async () => {
  cluster = await ControllerHarness.start();
});
afterEach(async () => await cluster.stop());

function bundleIn(namespace: string): Record<string, string> | undefined {
  const object = cluster.api.get(CONFIG_MAPS, 'signet-bundle', namespace);
  return object?.['data'] as Record<string, string> | undefined;
}

function label(namespace: string, labels: Record<string, string>): void {
  cluster.api.set(COLLECTIONS.Namespace, { metadata: { name: namespace, labels } });
}

/** What an API server that serves ClusterTrustBundles says when it is asked for its kinds. */
function serveTrustBundles(): void {
  const answers: readonly (readonly [string, unknown])[] = [
    ['/apis/certificates.k8s.io', { versions: [{ version: 'v1' }, { version: 'v1beta1' }] }],
    ['/apis/certificates.k8s.io/v1', { resources: [{ name: 'certificatesigningrequests' }] }],
    ['/apis/certificates.k8s.io/v1beta1', { resources: [{ name: 'clustertrustbundles' }] }],
  ];
  for (const [path, body] of answers) {
    cluster.api.faults.push({ on: (request) => request.path === path, act: { status: 200, body } });
  }
}

test('the bundle is published at home and where a namespace asks for it', async () => {
  label('agents', { 'signet.dev/bundle': 'true' });
  const root = await cluster.addAuthority('root');
  await cluster.addAuthority('serving');
  cluster.launch();
  await cluster.until(() => bundleIn('signet') !== undefined && bundleIn('agents') !== undefined);
  assert.equal(bundleIn('shop'), undefined);
  const { 'bundle.json': json = '', 'bundle.crt': pem } = bundleIn('agents') ?? {};
  const { bundle, ignored } = parseSpiffeBundle(Buffer.from(json), TRUST_DOMAIN);
  assert.deepEqual(ignored, []);
  assert.deepEqual(bundle.x509Authorities, [new Uint8Array(root.certificateDer)]);
  assert.equal(pem, formatPemCertificate(root.certificateDer));
});

test('at home the labels of whoever installed it stay', async () => {
  const labels = { 'app.kubernetes.io/managed-by': 'Helm' };
  const metadata = { name: 'signet-bundle', namespace: 'signet', labels };
  cluster.api.set(CONFIG_MAPS, { metadata });
  await cluster.addAuthority('root');
  cluster.launch();
  await cluster.until(() => bundleIn('signet') !== undefined);
  const bundle = cluster.api.get(CONFIG_MAPS, 'signet-bundle', 'signet');
  assert.deepEqual(bundle?.metadata['labels'], labels);
});

test('a new root reaches every bundle', async () => {
  label('agents', { 'signet.dev/bundle': 'true' });
  await cluster.addAuthority('root');
  cluster.launch();
  await cluster.until(() => bundleIn('agents') !== undefined);
  const next = formatPemCertificate((await cluster.addAuthority('root')).certificateDer);
  const hasNext = (namespace: string) => bundleIn(namespace)?.['bundle.crt']?.includes(next);
  await cluster.until(() => hasNext('signet') === true && hasNext('agents') === true);
});

test('a namespace that refuses holds up no other', async () => {
  label('a-refusing', { 'signet.dev/bundle': 'true' });
  label('b-agents', { 'signet.dev/bundle': 'true' });
  cluster.api.faults.push({
    on: ({ path }) => path.startsWith('/api/v1/namespaces/a-refusing/'),
    act: { status: 403 },
  });
  await cluster.addAuthority('root');
  cluster.launch();
  await cluster.until(() => bundleIn('b-agents') !== undefined);
});

test('a state that goes back is not published', async () => {
  await cluster.addAuthority('root');
  const [state] = cluster.api.all(CONFIG_MAPS);
  await cluster.addAuthority('root');
  cluster.launch();
  await cluster.until(() => bundleIn('signet') !== undefined);
  const before = bundleIn('signet')?.['bundle.json'];
  if (state !== undefined) cluster.api.set(CONFIG_MAPS, state);
  const path = '/api/v1/namespaces/signet/configmaps/signet-authority-state';
  const seen = cluster.api.requestsOf('GET', path).length;
  await cluster.until(() => cluster.api.requestsOf('GET', path).length > seen + 1);
  assert.equal(bundleIn('signet')?.['bundle.json'], before);
});

test('the roots are a ClusterTrustBundle where that kind is served', async () => {
  serveTrustBundles();
  const root = await cluster.addAuthority('root');
  cluster.launch();
  await cluster.until(() => cluster.api.get(BUNDLES, BUNDLE_NAME) !== undefined);
  assert.deepEqual(cluster.api.get(BUNDLES, BUNDLE_NAME)?.['spec'], {
    signerName: 'signet.dev/spiffe',
    trustBundle: formatPemCertificate(root.certificateDer),
  });
});

type Restriction = { metadata: { name: string }; spec: { match: unknown; suspend: boolean } };

function restrictions(): readonly Restriction[] {
  return cluster.api.all(COLLECTIONS.IdentityRestriction) as unknown as Restriction[];
}

function addPod(name: string, labels: Record<string, string>, serviceAccountName = 'web'): void {
  cluster.api.set(COLLECTIONS.Pod, {
    metadata: { name, namespace: 'shop', uid: `uid-${name}`, labels },
    spec: { nodeName: 'node-1', serviceAccountName },
    status: { phase: 'Running' },
  });
}

test('a label starts a suspension of the ServiceAccount; without the label it goes on', async () => {
  const suspended = { 'signet.dev/suspended': 'true' };
  addPod('web-1', suspended);
  addPod('web-2', suspended);
  addPod('api', {}, 'api');
  cluster.launch();
  await cluster.until(() => restrictions().length > 0);
  await cluster.until(() => cluster.api.all(EVENTS).some(({ reason }) => reason === 'Suspended'));
  addPod('web-1', {});
  addPod('web-2', {});
  label('agents', suspended);
  await cluster.until(() => restrictions().length > 1);
  assert.deepEqual(
    restrictions().map(({ spec: { match, suspend } }) => ({ match, suspend })),
    [
      { match: { namespace: 'shop', serviceAccount: 'web' }, suspend: true },
      { match: { namespace: 'agents' }, suspend: true },
    ],
  );
});

test('the same label is one suspension, whoever leads', async () => {
  addPod('web-1', { 'signet.dev/suspended': 'true' });
  cluster.launch();
  await cluster.until(() => restrictions().length > 0);
  const posts = () => cluster.api.requestsOf('POST', COLLECTIONS.IdentityRestriction).length;
  assert.equal(posts(), 1);
  addPod('web-3', { 'signet.dev/suspended': 'true' });
  addPod('other', { 'signet.dev/suspended': 'true' }, 'other');
  await cluster.until(() => restrictions().length > 1);
  assert.equal(posts(), 2);
});

test('a namespace that suspends many accounts suspends itself: tenants make no flood of objects', async () => {
  for (let i = 0; i < 40; i += 1) {
    addPod(`web-${i}`, { 'signet.dev/suspended': 'true' }, `account-${i}`);
  }
  cluster.launch();
  await cluster.until(() =>
    restrictions().some(({ spec }) => !Object.hasOwn(spec.match as object, 'serviceAccount')),
  );
  assert.equal(restrictions().length, 17);
});

test('a pod that a node made for itself suspends nobody', async () => {
  const labels = { 'signet.dev/suspended': 'true' };
  const annotations = { 'kubernetes.io/config.mirror': 'abc' };
  cluster.api.set(COLLECTIONS.Pod, {
    metadata: { name: 'mirror', namespace: 'shop', uid: 'uid-mirror', labels, annotations },
    spec: { nodeName: 'node-1' },
    status: { phase: 'Running' },
  });
  addPod('web-1', { 'signet.dev/suspended': 'true' }, 'api');
  cluster.launch();
  await cluster.until(() => restrictions().length > 0);
  assert.deepEqual(
    restrictions().map(({ spec }) => spec.match),
    [{ namespace: 'shop', serviceAccount: 'api' }],
  );
});
