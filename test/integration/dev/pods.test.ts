// Which pods a directory of manifests stands for, and what each is told.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, test } from 'node:test';
import { splitCertificates } from '../../../src/spiffe/certificate/certificate.ts';
import { Messages } from '../node/node-harness.ts';
import { DevProcess, podManifest, policyManifest } from './dev-process.ts';

const WORKLOADS = `
apiVersion: v1
kind: Namespace
metadata: {name: injected, labels: {signet.dev/inject: "true"}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: injected}
spec:
  replicas: 3
  template:
    metadata: {labels: {app: web}}
    spec: {serviceAccountName: web, containers: [{name: c, image: i}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: injected}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, image: i}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: injected}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: opted-out, namespace: injected, labels: {signet.dev/inject: "false"}}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Service
metadata: {name: front, namespace: injected}
spec: {selector: {app: web}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ignored, namespace: injected}
`;
const OWNED = '{{ with index .PodMeta.OwnerReferences 0 }}{{ .Kind }}/{{ .Name }}{{ end }}';
const LONG_NAME = `${'long-'.repeat(11)}name`;

const dev = new DevProcess({
  'a-workloads.yaml': WORKLOADS,
  'b-pod.json': podManifest('single'),
  'c-long.json': podManifest(LONG_NAME),
  'd-plain.json': podManifest('plain', { labels: { 'signet.dev/inject': 'false' } }),
  'shop.json': policyManifest('shop', {
    spiffeIDTemplate: 'spiffe://example.org/{{ .PodMeta.Name }}',
  }),
  'owned.json': policyManifest('owned', {
    spiffeIDTemplate: `spiffe://example.org/${OWNED}/{{ .PodMeta.Name }}`,
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'injected' } },
    autoPopulateDNSNames: true,
  }),
});

before(async () => await dev.start());
after(async () => await dev.close());

test('each pod is a line with its SPIFFE ID and a socket path that a client can dial', async () => {
  const single = await dev.pod('shop/single');
  const long = await dev.pod(`shop/${LONG_NAME}`);
  assert.equal(single.says, 'spiffe://example.org/single');
  assert.equal(long.says, `spiffe://example.org/${LONG_NAME}`);
  for (const { says, socket } of [single, long]) {
    assert.ok(Buffer.byteLength(socket) <= 107, socket);
    const workload = dev.workload(socket);
    const { svids } = await new Messages(workload.fetchX509SVID({}, dev.call)).next();
    assert.deepEqual(
      svids.map(({ spiffeId }) => spiffeId),
      [says],
    );
  }
});

test('a Deployment is one pod a replica, owned by a ReplicaSet', async () => {
  await dev.pod('injected/web-[^ ]+');
  await dev.pod('injected/once-[^ ]+');
  await dev.pod('injected/db-1');
  const found = podsIn('injected').filter((line) => line.includes('/web-'));
  assert.equal(found.length, 3);
  for (const line of found) {
    assert.match(
      line,
      /^injected\/(web-\w+)-\w+ {2}spiffe:\/\/example\.org\/ReplicaSet\/\1\/\1-\w+ /,
    );
  }
});

test('pods of a StatefulSet and a Job are owned by them', async () => {
  assert.equal((await dev.pod('injected/db-0')).says, 'spiffe://example.org/StatefulSet/db/db-0');
  assert.equal((await dev.pod('injected/db-1')).says, 'spiffe://example.org/StatefulSet/db/db-1');
  const { says } = await dev.pod('injected/once-[^ ]+');
  assert.match(says, /^spiffe:\/\/example\.org\/Job\/once\/once-\w+$/);
});

test('a pod that opted out of injection has no socket', async () => {
  await dev.pod('injected/db-1');
  await dev.pod('shop/single');
  assert.deepEqual(
    dev.lines.filter(({ text }) => /opted-out|shop\/plain/.test(text)),
    [],
  );
});

test('the names of a Service are in the certificates of the pods that it selects', async () => {
  const names = async (pod: string): Promise<string | undefined> => {
    const { socket } = await dev.pod(pod);
    const stream = dev.workload(socket).fetchX509SVID({}, dev.call);
    const [svid] = (await new Messages(stream).next()).svids;
    assert.ok(svid !== undefined);
    const [leaf] = splitCertificates(svid.x509Svid);
    assert.ok(leaf !== undefined);
    return new X509Certificate(leaf).subjectAltName;
  };
  const web = await names('injected/web-[^ ]+');
  assert.match(web ?? '', /DNS:front(,|$)/);
  assert.match(web ?? '', /DNS:front\.injected\.svc(,|$)/);
  assert.doesNotMatch((await names('injected/db-0')) ?? '', /DNS:/);
});

test('a kind that plays no part here is named and skipped', async () => {
  await dev.line(/^! .*a-workloads\.yaml \(document 7\): skipped, kind ConfigMap /);
});

function podsIn(namespace: string): readonly string[] {
  return dev.lines.map(({ text }) => text).filter((text) => text.startsWith(`${namespace}/`));
}
