// What the author of a pod may try to get another identity, or to keep one: each refused for its own reason.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { agentPod, type Line, whenEnded, whenReady } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { until } from './lib/commands.ts';
import { appId, appIdentity, inNamespace, optedIn, policy, remove } from './lib/identities.ts';
import { type KubeObject, objectPath, type Pod, podPath } from './lib/kube-object.ts';
import { attack } from './lib/report.ts';
import { withVolume } from './lib/volume-pod.ts';
import { without } from './lib/without.ts';

const cluster = attached();
const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
const RESTRICTIONS = '/apis/signet.dev/v1alpha1/identityrestrictions';
const AUTHOR = 'author';
const BY = 'pod author';

type Reported = KubeObject & {
  readonly status?: {
    readonly failures?: readonly { readonly reason: string; readonly message: string }[];
  };
};

suite('the author of a pod', () => {
  let namespace = '';
  before(async () => {
    namespace = await freshNamespace(cluster, 'authors');
    await cluster.api.apply(
      appIdentity(namespace, { podSelector: { matchLabels: { own: 'yes' } } }),
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'RoleBinding',
        metadata: { name: AUTHOR, namespace },
        subjects: [{ kind: 'User', name: AUTHOR, apiGroup: 'rbac.authorization.k8s.io' }],
        roleRef: { kind: 'ClusterRole', name: 'admin', apiGroup: 'rbac.authorization.k8s.io' },
      },
    );
  });
  after(async () => {
    await remove(cluster, appIdentity(namespace));
    await cluster.deleteNamespace(namespace);
  });

  test('forges what the kubelet says of the pod', async () => {
    const victim = agentPod({ namespace, name: 'victim', labels: own('victim'), args: ['idle'] });
    await cluster.api.create(victim);
    const { metadata } = await whenReady(cluster, victim);
    const forged = {
      'csi.storage.k8s.io/pod.uid': metadata.uid ?? '',
      'csi.storage.k8s.io/pod.name': 'victim',
      'csi.storage.k8s.io/serviceAccount.name': 'other',
    };
    const pod = withVolume(
      { namespace, name: 'forger', labels: own('forger'), args: ['once'] },
      {
        volumeAttributes: forged,
      },
    );
    await refused(pod, /unknown volume attribute/);
    attack('forged volumeAttributes', BY, 'refused by the webhook: unknown volume attribute');
    await without(cluster, `${ADMISSION}/validatingwebhookconfigurations/signet`, async () => {
      await until('the webhook to be gone', async () => await isAdmitted(pod));
      await cluster.api.create(pod);
      const { lines } = await whenEnded(cluster, pod);
      assert.deepEqual(lines.at(-1)?.['ids'], [appId(namespace, 'forger')]);
      attack('the same, webhook removed', BY, 'the kubelet’s word counts: the pod’s own identity');
    });
  });

  test('mounts a part of the volume by name', async () => {
    const pod = withVolume(
      { namespace, name: 'part', labels: own('part'), args: ['once'] },
      {
        mount: { subPath: 'socket' },
      },
    );
    await refused(pod, /cannot be mounted with subPath/);
    attack('subPath on our volume', BY, 'refused at admission');
  });

  test('chooses labels that make a path of ours', async () => {
    const template = 'spiffe://{{ .TrustDomain }}/{{ index .PodMeta.Labels "area" }}/issuer';
    for (const area of ['signet', 'spire']) {
      const spec = { spiffeIDTemplate: template };
      const { line, failures } = await underPolicy(`area-${area}`, spec, { area });
      assert.equal(line?.['code'], 'permission-denied', JSON.stringify(line));
      assert.match(failures[0] ?? '', /is reserved/);
      attack(`an ID below /${area}`, BY, failures[0] ?? '');
    }
  });

  test('chooses labels that make the DNS name of our Service', async () => {
    const spec = {
      spiffeIDTemplate: 'spiffe://{{ .TrustDomain }}/dns',
      dnsNameTemplates: ['{{ index .PodMeta.Labels "host" }}'],
    };
    for (const host of ['signet-issuer.signet.svc', 'signet-webhook.signet.svc']) {
      const name = host.split('.')[0] ?? '';
      const { line, failures } = await underPolicy(name, spec, { host });
      assert.equal(line?.['code'], 'permission-denied', JSON.stringify(line));
      assert.match(failures[0] ?? '', /is reserved/);
      attack(`DNS name ${host}`, BY, failures[0] ?? '');
    }
  });

  test('takes the label of a suspension off', async () => {
    const labels = { ...own('suspect'), 'signet.dev/suspended': 'true' };
    const pod = optedIn({ namespace, name: 'suspect', labels, args: ['idle'] });
    await cluster.api.create(pod);
    const restriction = await until('a suspension', async () => {
      return (await cluster.api.list(RESTRICTIONS)).find(({ spec }) =>
        JSON.stringify(spec).includes(`"${namespace}"`),
      );
    });
    try {
      await assert.rejects(unlabel, /may take label signet.dev\/suspended off/);
      attack('suspension label taken off', BY, 'refused at admission');
      const path = `${ADMISSION}/validatingadmissionpolicybindings/signet-suspended`;
      await without(cluster, path, async () => {
        await until('the policy to be gone', async () => {
          return await unlabel().then(
            () => true,
            () => undefined,
          );
        });
      });
      const next = optedIn({ namespace, name: 'next', labels: own('next'), args: ['once'] });
      await cluster.api.create(next);
      const { lines } = await whenEnded(cluster, next);
      assert.match(String(lines[0]?.['error']), /Suspended/);
      attack('the same, admission policy removed', BY, 'its successors stay suspended');
      const end = { method: 'DELETE', path: objectPath(restriction), as: AUTHOR };
      await assert.rejects(async () => await cluster.api.text(end), /403 /);
      attack('the suspension itself deleted', BY, 'refused by RBAC');
    } finally {
      await remove(cluster, {
        ...restriction,
        apiVersion: 'signet.dev/v1alpha1',
        kind: 'IdentityRestriction',
      });
    }
  });

  async function unlabel(): Promise<void> {
    await cluster.api.text({
      method: 'PATCH',
      path: podPath(namespace, 'suspect'),
      contentType: 'application/merge-patch+json',
      body: { metadata: { labels: { 'signet.dev/suspended': null } } },
      as: AUTHOR,
    });
  }

  /** What a pod with these labels is told, and what the policy's status says. */
  async function underPolicy(
    name: string,
    spec: object,
    labels: Readonly<Record<string, string>>,
  ): Promise<{ line: Line | undefined; failures: readonly string[] }> {
    const podSelector = { matchLabels: { app: name } };
    const object = policy(`${namespace}-${name}`, {
      ...spec,
      podSelector,
      namespaceSelector: inNamespace(namespace),
    });
    await cluster.api.apply(object);
    try {
      const pod = optedIn({ namespace, name, labels, args: ['once'] });
      await cluster.api.create(pod);
      const { lines } = await whenEnded(cluster, pod);
      const { status } = await cluster.api.waitFor<Reported>(
        objectPath(object),
        ({ status }) => (status?.failures?.length ?? 0) > 0,
      );
      const failures = status?.failures ?? [];
      return {
        line: lines[0],
        failures: failures.map(({ reason, message }) => `${reason}: ${message}`),
      };
    } finally {
      await remove(cluster, object);
    }
  }
});

function own(app: string): Readonly<Record<string, string>> {
  return { app, own: 'yes' };
}

async function refused(pod: Pod, message: RegExp): Promise<void> {
  await assert.rejects(async () => await cluster.api.create(pod), message);
}

async function isAdmitted(pod: Pod): Promise<true | undefined> {
  const path = `/api/v1/namespaces/${pod.metadata.namespace ?? ''}/pods?dryRun=All`;
  const answer = await cluster.api.text({ method: 'POST', path, body: pod }).catch(() => undefined);
  return answer === undefined ? undefined : true;
}
