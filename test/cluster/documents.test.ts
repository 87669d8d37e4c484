// A pod's token, verified by another library that finds the keys through the Service that the chart makes.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { whenEnded } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { appId, appIdentity, optedIn, remove } from './lib/identities.ts';
import type { KubeObject } from './lib/kube-object.ts';
import { installSignet, SIGNET_NAMESPACE } from './lib/signet.ts';

const cluster = attached();
const ISSUER = `https://signet-oidc.${SIGNET_NAMESPACE}.svc`;
const AUDIENCE = 'https://api.example.com';
const TIMEOUT_MS = 120_000;

suite('OpenID Connect', () => {
  let namespace = '';
  before(async () => {
    await installSignet(cluster, { jwtIssuer: ISSUER, oidc: { enabled: true } });
    namespace = await freshNamespace(cluster, 'oidc');
    const claims = { agent_owner: 'team-{{ .PodMeta.Namespace }}', agent_trust_level: 'low' };
    await cluster.api.apply(appIdentity(namespace, { jwtClaimTemplates: claims }));
    const path = `/api/v1/namespaces/${SIGNET_NAMESPACE}/configmaps/signet-issuer-ca`;
    const { data } = await cluster.api.get<KubeObject & { readonly data: object }>(path);
    const metadata = { namespace, name: 'ca' };
    await cluster.api.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data });
  });
  after(async () => {
    await remove(cluster, appIdentity(namespace));
    await cluster.deleteNamespace(namespace);
    await installSignet(cluster);
  });

  test('a token of a pod is good for whoever finds the keys at its issuer', async () => {
    const pod = optedIn({
      namespace,
      name: 'agent',
      args: ['oidc', ISSUER, AUDIENCE],
      spec: { volumes: [{ name: 'ca', configMap: { name: 'ca' } }] },
      container: {
        volumeMounts: [{ name: 'ca', mountPath: '/ca', readOnly: true }],
        env: [{ name: 'NODE_EXTRA_CA_CERTS', value: '/ca/ca.crt' }],
      },
    });
    await cluster.api.create(pod);
    const { lines } = await whenEnded(cluster, pod, TIMEOUT_MS);
    const line = lines.at(-1) ?? {};
    assert.deepEqual(
      [line['error'], line['iss'], line['sub'], line['alg'], line['cache']],
      [undefined, ISSUER, appId(namespace, 'agent'), 'RS256', 'public, max-age=900'],
    );
    assert.deepEqual(
      [line['aud'], line['agent_owner'], line['agent_trust_level'], line['jti']],
      [[AUDIENCE], `team-${namespace}`, 'low', undefined],
    );
  });
});
