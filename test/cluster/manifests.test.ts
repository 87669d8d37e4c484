// Manifests as users of SPIRE's controller have them: they apply unchanged and mean what they meant.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { whenEnded } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { until } from './lib/commands.ts';
import { inNamespace, policy, remove } from './lib/identities.ts';
import { type Conditioned, type KubeObject, objectPath, type Pod } from './lib/kube-object.ts';
import { TRUST_DOMAIN } from './lib/signet.ts';
import { withVolume } from './lib/volume-pod.ts';
import { without } from './lib/without.ts';

const cluster = attached();
const NS_SA =
  'spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}';
const GATEWAY = 'gateway-account';
const MANAGED = { 'spiffe.io/spire-managed-identity': 'true' };
const WEBHOOK = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/signet';
const API = 'spire.spiffe.io/v1alpha1';

type Policy = Conditioned & {
  readonly status?: {
    readonly stats?: Readonly<Record<string, number>>;
    readonly failures?: readonly { readonly reason: string; readonly message: string }[];
  };
};

type Asked = {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly account?: string;
};

suite('manifests of others', () => {
  let namespace = '';
  before(async () => {
    namespace = await freshNamespace(cluster, 'manifests', { backend: 'true' });
    await cluster.api.apply({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: GATEWAY, namespace },
    });
  });
  after(async () => await cluster.deleteNamespace(namespace));

  test('a literal trust domain that is another one is a failure in the status', async () => {
    const spiffeIDTemplate = NS_SA.replace('{{ .TrustDomain }}', 'domain.test');
    const spec = { spiffeIDTemplate, namespaceSelector: { matchLabels: { backend: 'true' } } };
    const foreign = policy('backend-workloads', spec);
    await assert.rejects(async () => await cluster.api.apply(foreign), /trust domain/);
    // One that was there before the webhook.
    await without(cluster, WEBHOOK, async () => {
      await until('the webhook to be gone', async () => await isApplied(foreign));
    });
    try {
      assert.deepEqual(await idsOf({ name: 'foreign' }), []);
      const { status } = await reported(foreign, ({ status }) => status?.conditions !== undefined);
      const ready = status?.conditions?.find(({ type }) => type === 'Ready');
      assert.equal(ready?.status, 'False');
      assert.match(JSON.stringify(status), /trust domain/);
    } finally {
      await remove(cluster, foreign);
    }
  });

  test('a plain literal ID, chosen by a label', async () => {
    const label = { 'spire.spiffe.io/spiffeid': 'greeter-client' };
    const spec = {
      spiffeIDTemplate: `spiffe://${TRUST_DOMAIN}/greeter-client`,
      podSelector: { matchLabels: label },
      federatesWith: ['cluster1.demo'],
    };
    await under([policy('greeter-client', spec)], async () => {
      const ids = await idsOf({ name: 'greeter', labels: label });
      assert.deepEqual(ids, [`spiffe://${TRUST_DOMAIN}/greeter-client`]);
      assert.deepEqual(await idsOf({ name: 'stranger' }), []);
    });
  });

  test('an ID out of a label, and DNS names', async () => {
    const spec = {
      spiffeIDTemplate:
        'spiffe://{{ .TrustDomain }}/{{ index .PodMeta.Labels "spiffe.io/spiffe-id" }}',
      podSelector: { matchExpressions: [{ key: 'spiffe.io/spiffe-id', operator: 'Exists' }] },
      dnsNameTemplates: ['{{ .PodMeta.Name }}.{{ .PodMeta.Namespace }}.{{ .ClusterDomain }}'],
    };
    await under([policy('label-based', spec)], async () => {
      const ids = await idsOf({ name: 'labelled', labels: { 'spiffe.io/spiffe-id': 'billing' } });
      assert.deepEqual(ids, [`spiffe://${TRUST_DOMAIN}/billing`]);
    });
  });

  test('a gateway’s policy without selectors serves the gateway, and leaves the others their fallback', async () => {
    const gateway = policy('istio-ingressgateway-reg', {
      spiffeIDTemplate: NS_SA,
      workloadSelectorTemplates: [`k8s:ns:${namespace}`, `k8s:sa:${GATEWAY}`],
    });
    const sidecars = policy('istio-sidecar-reg', {
      spiffeIDTemplate: `${NS_SA}/sidecar`,
      podSelector: { matchLabels: MANAGED },
      workloadSelectorTemplates: [`k8s:ns:${namespace}`],
    });
    const earlier = policy('istio-sidecar-earlier', {
      spiffeIDTemplate: `${NS_SA}/earlier`,
      workloadSelectorTemplates: [
        `k8s:ns:${namespace}`,
        'k8s:pod-label:spiffe.io/spire-managed-identity:true',
      ],
    });
    const globbed = policy('istio-glob', {
      spiffeIDTemplate: `${NS_SA}/glob`,
      workloadSelectorTemplates: ['k8s:ns:*'],
    });
    await under([gateway, sidecars, earlier, globbed, fallback({})], async () => {
      const base = `spiffe://${TRUST_DOMAIN}/ns/${namespace}/sa`;
      assert.deepEqual(await idsOf({ name: 'plain' }), [`${base}/default/fallback`]);
      const account = GATEWAY;
      assert.deepEqual(await idsOf({ name: 'gateway', account }), [`${base}/${GATEWAY}`]);
      const managed = await idsOf({ name: 'managed', labels: MANAGED });
      assert.deepEqual(managed.toSorted(), [`${base}/default/earlier`, `${base}/default/sidecar`]);
    });
  });

  test('identities of a class that is not served are nobody’s, and are not touched', async () => {
    const classed = fallback({ className: 'spire-server-spire' });
    await under([classed, fallbackMarker()], async ([, marker]) => {
      assert.deepEqual(await idsOf({ name: 'classed' }), []);
      // The same pass that wrote this status would have written that one.
      await reported(marker, ({ status }) => status?.stats !== undefined);
      const { status } = await cluster.api.get<Policy>(objectPath(classed));
      assert.equal(status, undefined);
    });
  });

  for (const [name, spec, message] of [
    [
      'empty-values',
      {
        spiffeIDTemplate: NS_SA,
        podSelector: { matchExpressions: [{ key: 'x', operator: 'In', values: [] }] },
      },
      /values/,
    ],
    ['integer-ttl', { spiffeIDTemplate: NS_SA, ttl: 3600 }, /ttl/],
    ['no-such-field', { spiffeIDTemplate: NS_SA, workloadSelector: {} }, /workloadSelector/],
  ] as const) {
    test(`an invalid policy is refused: ${name}`, async () => {
      await assert.rejects(async () => await cluster.api.apply(policy(name, spec)), message);
    });
  }

  test('what no pod can decide, and peers that are not there, are kept with a status that says so', async () => {
    const entry = object('ClusterStaticEntry', 'static-entry', {
      spiffeID: `spiffe://${TRUST_DOMAIN}/static-spiffe-id`,
      parentID: `spiffe://${TRUST_DOMAIN}/static-parent-id`,
      selectors: ['static:one', 'static:two'],
      federatesWith: [TRUST_DOMAIN],
      x509SVIDTTL: '2h',
      jwtSVIDTTL: '6m',
      dnsNames: ['static-dns'],
      hint: 'static-hint',
      admin: true,
      downstream: true,
      storeSVID: true,
    });
    const web = object('ClusterFederatedTrustDomain', 'backend', {
      trustDomain: 'backend',
      bundleEndpointURL: 'https://backend.test/bundle',
      bundleEndpointProfile: { type: 'https_web' },
    });
    const spiffe = object('ClusterFederatedTrustDomain', 'backend-spiffe', {
      trustDomain: 'b-org.local',
      bundleEndpointURL: 'https://federation.b-org.local',
      bundleEndpointProfile: {
        type: 'https_spiffe',
        endpointSPIFFEID: 'spiffe://b-org.local/spire/server',
      },
    });
    await under([entry, web, spiffe], async (applied) => {
      for (const each of applied) {
        const { status } = await reported(each, ({ status }) => status?.conditions !== undefined);
        const ready = status?.conditions?.find(({ type }) => type === 'Ready');
        const reason = each.kind === 'ClusterStaticEntry' ? 'Unsupported' : 'NoBundle';
        assert.deepEqual([ready?.status, ready?.reason], ['False', reason]);
      }
    });
    const bare = { ...(web['spec'] as object), bundleEndpointProfile: 'https_web' };
    const invalid = object('ClusterFederatedTrustDomain', 'bare', bare);
    await assert.rejects(async () => await cluster.api.apply(invalid), /bundleEndpointProfile/);
  });

  /** Of the hardened chart, with an ID that tells it from others. */
  function fallback(spec: object): KubeObject {
    const names = ['spire-server', 'spire-system'];
    const not = { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: names };
    return policy('spire-server-spire-default', {
      hint: 'default',
      spiffeIDTemplate: `${NS_SA}/fallback`,
      namespaceSelector: { matchExpressions: [not] },
      fallback: true,
      ...spec,
    });
  }

  function fallbackMarker(): KubeObject {
    const podSelector = { matchLabels: { app: 'marker' } };
    const namespaceSelector = inNamespace(namespace);
    return policy('marker', { spiffeIDTemplate: NS_SA, podSelector, namespaceSelector });
  }

  /** What a pod that asks once is given; none when it is refused. */
  async function idsOf({ name, labels = {}, account }: Asked): Promise<readonly string[]> {
    const spec = account === undefined ? {} : { serviceAccountName: account };
    const pod: Pod = withVolume({ namespace, name, labels, args: ['once'], spec });
    await cluster.api.create(pod);
    const { lines } = await whenEnded(cluster, pod);
    const line = lines[0];
    if (line?.['code'] === 'permission-denied') return [];
    return line?.['ids'] as readonly string[];
  }
});

async function isApplied(object: KubeObject): Promise<true | undefined> {
  return await cluster.api.apply(object).then(
    () => true,
    () => undefined,
  );
}

function object(kind: string, name: string, spec: object): KubeObject {
  return { apiVersion: API, kind, metadata: { name }, spec };
}

async function reported(object: KubeObject | undefined, accepts: (policy: Policy) => boolean) {
  assert.ok(object !== undefined);
  return await cluster.api.waitFor<Policy>(objectPath(object), accepts);
}

async function under(
  objects: readonly KubeObject[],
  work: (objects: readonly KubeObject[]) => Promise<void>,
): Promise<void> {
  await cluster.api.apply(...objects);
  try {
    await work(objects);
  } finally {
    for (const object of objects) await remove(cluster, object);
  }
}
