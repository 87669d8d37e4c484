// The ground itself: nodes, pods on each, DNS and Services between them. Nothing of Signet yet.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { agentPod, lineOf, whenEnded, whenReady } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { figure } from './lib/report.ts';

const cluster = attached();

suite('the cluster', () => {
  let namespace = '';
  before(async () => {
    namespace = await freshNamespace(cluster, 'smoke');
  });
  after(async () => await cluster.deleteNamespace(namespace));

  test('a pod of the agent image runs on each node', async () => {
    const begun = performance.now();
    const pods = cluster.nodes.map(({ name }) =>
      agentPod({ namespace, name: `idle-${name}`, node: name, args: ['idle'] }),
    );
    await cluster.api.apply(...pods);
    const ready = await Promise.all(pods.map(async (pod) => await whenReady(cluster, pod)));
    figure('pods ready on all nodes', Math.round(performance.now() - begun), 'ms');
    assert.deepEqual(
      ready.map(({ spec }) => spec.nodeName),
      cluster.nodes.map(({ name }) => name),
    );
    const [pod] = pods;
    assert.ok(pod !== undefined);
    await lineOf(cluster, pod, { accepts: (line) => line['idle'] === true });
  });

  test('a pod reaches a pod of another node by the name of its Service', async () => {
    const [first, second] = cluster.nodes;
    assert.ok(first !== undefined && second !== undefined);
    const server = agentPod({
      namespace,
      name: 'web',
      node: first.name,
      labels: { app: 'web' },
      command: ['sh', '-c'],
      args: ['mkdir /tmp/www && echo hello >/tmp/www/index.html && httpd -f -p 8080 -h /tmp/www'],
    });
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace, name: 'web' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
    };
    await cluster.api.apply(service, server);
    await whenReady(cluster, server);
    const client = agentPod({
      namespace,
      name: 'client',
      node: second.name,
      args: ['get', `http://web.${namespace}.svc.cluster.local`],
    });
    await cluster.api.apply(client);
    const { exitCode, lines } = await whenEnded(cluster, client);
    assert.equal(exitCode, 0);
    assert.equal(lines[0]?.['text'], 'hello\n');
  });

  test('kubectl gets into a pod, and the API server serves what Signet may use', async () => {
    const { name } = cluster.nodes[0] ?? { name: '' };
    const { status, stdout } = await cluster.kubectl.exec(`${namespace}/idle-${name}`, [
      'id',
      '-u',
    ]);
    assert.deepEqual([status, stdout.trim()], [0, '0']);
    await cluster.api.list('/apis/certificates.k8s.io/v1beta1/clustertrustbundles');
    await cluster.api.list('/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies');
  });

  test('the audit log says who asked', async () => {
    const as = `system:serviceaccount:${namespace}:default`;
    const path = `/api/v1/namespaces/${namespace}/pods`;
    await assert.rejects(async () => await cluster.api.text({ path, as }), /403 /);
    const entry = cluster.audit().find((entry) => entry.user === as);
    assert.equal(entry?.verb, 'list');
    assert.equal(entry?.allowed, false);
  });
});
