// What Signet tells the world about its keys, by the Services that the chart makes: a token of a pod, verified
// by another library; and a bundle, exchanged with a `signet dev` of another trust domain on the first node's
// network, where each side declares the other by what `signet bundle manifest` prints there.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { parse } from 'yaml';
import { lineOf, whenEnded } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { SIGNET, signet } from './lib/authority-cli.ts';
import { attempt, until } from './lib/commands.ts';
import { Component } from './lib/component.ts';
import { leave } from './lib/faults.ts';
import { appId, appIdentity, optedIn, remove } from './lib/identities.ts';
import { ROOT } from './lib/images.ts';
import { type Conditioned, hasCondition, type KubeObject, objectPath } from './lib/kube-object.ts';
import { inNetwork } from './lib/layout.ts';
import { figure } from './lib/report.ts';
import { installSignet, SIGNET_NAMESPACE, TRUST_DOMAIN } from './lib/signet.ts';

const cluster = attached();
const [node = assert.fail()] = cluster.nodes;
const PEER = 'peer.test';
const PORT = 8441;
const ADDRESS = `${node.address}:${PORT}`;
const SERVICE = `/api/v1/namespaces/${SIGNET_NAMESPACE}/services/signet-bundle-endpoint`;
const SERVED_MS = 60_000;
const ISSUER = `https://signet-oidc.${SIGNET_NAMESPACE}.svc`;
const AUDIENCE = 'https://api.example.com';
const TIMEOUT_MS = 120_000;
/** Of the other trust domain. */
const AGENT = `apiVersion: spire.spiffe.io/v1alpha1
kind: ClusterSPIFFEID
metadata:
  name: agents
spec:
  spiffeIDTemplate: "spiffe://{{ .TrustDomain }}/{{ .PodMeta.Name }}"
  federatesWith: ["*"]
`;

before(async () => {
  const federation = {
    bundleEndpoint: { enabled: true, refreshHint: '30s' },
    allowCIDRs: [`${node.address}/32`],
  };
  await installSignet(cluster, { jwtIssuer: ISSUER, oidc: { enabled: true }, federation });
});
after(async () => await installSignet(cluster));

suite('OpenID Connect', () => {
  let namespace = '';
  before(async () => {
    namespace = await freshNamespace(cluster, 'oidc');
    const claims = { agent_owner: 'team-{{ .PodMeta.Namespace }}', agent_trust_level: 'low' };
    await cluster.api.apply(appIdentity(namespace, { jwtClaimTemplates: claims }));
    const path = `/api/v1/namespaces/${SIGNET_NAMESPACE}/configmaps/signet-issuer-ca`;
    const { data } = await cluster.api.get<KubeObject & { readonly data: object }>(path);
    const metadata = { namespace, name: 'ca' };
    await cluster.api.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data });
  });
  after(async () => {
    await leave(cluster, namespace);
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

suite('federation', () => {
  const root = mkdtempSync(join(tmpdir(), 'signet-federation-'));
  const manifests = join(root, 'manifests');
  const runDir = join(root, 'run');
  const here = inNetwork(cluster.name, node.name);
  const peer = new Component(cluster.directory, 'federation-peer');
  let namespace = '';
  let declared: KubeObject | undefined;
  before(async () => {
    mkdirSync(manifests);
    writeFileSync(join(manifests, 'agent.yaml'), AGENT);
    const flags = [`--trust-domain=${PEER}`, `--run-dir=${runDir}`, `--bundle-endpoint=${ADDRESS}`];
    peer.define([...here, ...SIGNET, 'dev', manifests, ...flags]);
    namespace = await freshNamespace(cluster, 'federation');
    await cluster.api.apply(appIdentity(namespace, { federatesWith: [PEER] }));
  });
  after(async () => {
    await peer.stop();
    peer.forget();
    if (declared !== undefined) await remove(cluster, declared);
    await leave(cluster, namespace);
    rmSync(root, { recursive: true, force: true });
  });

  test('pods of the cluster get the bundle of the other side, which gets ours', async () => {
    const agent = optedIn({ namespace, name: 'agent', args: ['watch'] });
    await cluster.api.create(agent);
    await until('the peer', () => said('bundle endpoint spiffe://'), { timeoutMs: SERVED_MS });

    const begun = Date.now();
    declared = parse(await printed(`--endpoint=https://${ADDRESS}/`)) as KubeObject;
    await cluster.api.apply(declared);
    await cluster.api.waitFor<Conditioned>(
      objectPath(declared),
      (object) => hasCondition(object, 'Ready') && hasCondition(object, 'Refreshed'),
      { timeoutMs: SERVED_MS },
    );
    const { domains } = await lineOf(cluster, agent, {
      accepts: ({ domains }) => Array.isArray(domains) && domains.length > 1,
    });
    assert.deepEqual((domains as string[]).toSorted(), [TRUST_DOMAIN, PEER].toSorted());
    figure('federation: declared to fetched and in a pod', Date.now() - begun, 'ms');

    // The Service's address, as a peer that has a way to it would have.
    const service = await cluster.api.get(SERVICE);
    const { clusterIP } = service['spec'] as { clusterIP: string };
    const ours = await signet(cluster, 'bundle', 'manifest', `--endpoint=https://${clusterIP}/`);
    assert.equal(ours.status, 0, ours.stderr);
    writeFileSync(join(manifests, 'cluster.yaml'), ours.stdout);
    const row = new RegExp(`^${TRUST_DOMAIN} +fetched +\\d+ `, 'm');
    await until(
      'the peer to fetch',
      async () => {
        const { stdout } = await bundle('show');
        return row.test(stdout) ? true : undefined;
      },
      { timeoutMs: SERVED_MS, everyMs: 500 },
    );
  });

  test('what is no longer declared is taken away', async () => {
    assert.ok(declared !== undefined);
    await remove(cluster, declared);
    declared = undefined;
    const agent = optedIn({ namespace, name: 'agent', args: [] });
    let wasThere = false;
    await lineOf(cluster, agent, {
      accepts: ({ domains = [] }) => {
        const isThere = (domains as string[]).includes(PEER);
        wasThere ||= isThere;
        return wasThere && !isThere;
      },
    });
  });

  function said(text: string): true | undefined {
    if (peer.pid === undefined) throw new Error(peer.tail());
    return readFileSync(peer.log, 'utf8').includes(text) ? true : undefined;
  }

  /** What the peer's operator hands over. */
  async function printed(endpoint: string): Promise<string> {
    const { status, stdout, stderr } = await bundle('manifest', endpoint);
    assert.equal(status, 0, stderr);
    return stdout;
  }

  async function bundle(...args: readonly string[]) {
    const argv = [...SIGNET, 'bundle', ...args, `--run-dir=${runDir}`];
    return await attempt([...here, ...argv], { cwd: ROOT });
  }
});
