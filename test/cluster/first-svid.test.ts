// The first promise, end to end: a policy, a pod that opts in, and an SVID at the pod's first attempt.
// The webhook brings the volume; the pod's manifest says nothing of it.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { agentPod, whenEnded } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { type KubeObject, objectPath } from './lib/kube-object.ts';
import { figure } from './lib/report.ts';
import { TRUST_DOMAIN } from './lib/signet.ts';

const cluster = attached();

suite('an opted-in pod', () => {
  let namespace = '';
  const policy = (): KubeObject => ({
    apiVersion: 'spire.spiffe.io/v1alpha1',
    kind: 'ClusterSPIFFEID',
    metadata: { name: namespace },
    spec: {
      spiffeIDTemplate:
        'spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}',
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
      podSelector: { matchLabels: { identity: 'wanted' } },
    },
  });
  before(async () => {
    namespace = await freshNamespace(cluster, 'first');
    await cluster.api.apply(policy());
  });
  after(async () => {
    await cluster.api.delete(objectPath(policy()));
    await cluster.deleteNamespace(namespace);
  });

  test('has its SVID when it asks exactly once, on each node', async () => {
    for (const { name: node } of cluster.nodes) {
      const labels = { 'signet.dev/inject': 'true', identity: 'wanted' };
      const pod = agentPod({ namespace, name: `once-${node}`, node, labels, args: ['once'] });
      await cluster.api.apply(pod);
      const { exitCode, lines } = await whenEnded(cluster, pod);
      assert.equal(exitCode, 0, JSON.stringify(lines));
      assert.equal(lines.length, 1);
      assert.equal(lines[0]?.['id'], `spiffe://${TRUST_DOMAIN}/ns/${namespace}/sa/default`);
      figure(`first SVID on ${node}, since the process started`, Number(lines[0]?.['ms']), 'ms');
    }
  });

  test('that no policy serves is refused, and told why', async () => {
    const labels = { 'signet.dev/inject': 'true' };
    const pod = agentPod({ namespace, name: 'nobody', labels, args: ['once'] });
    await cluster.api.apply(pod);
    const { exitCode, lines } = await whenEnded(cluster, pod);
    assert.equal(exitCode, 1);
    assert.equal(lines[0]?.['code'], 'permission-denied', JSON.stringify(lines));
    assert.match(String(lines[0]?.['error']), /no identity issued: NoPolicy/);
  });
});
