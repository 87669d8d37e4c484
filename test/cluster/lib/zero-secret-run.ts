// The example zero-secret-agent, running: installed, applied, and looked at by its tests.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { linesOf, whenReady } from './agent-pod.ts';
import type { Cluster } from './cluster.ts';
import { until } from './commands.ts';
import { optedIn, remove } from './identities.ts';
import { type KubeObject, objectPath, type Pod } from './kube-object.ts';
import { LineFeed } from './line-feed.ts';
import { openBao, prometheus, seaweedFs } from './server-programs.ts';
import { installSignet, SIGNET_NAMESPACE, TRUST_DOMAIN } from './signet.ts';
import {
  bundledExample,
  exampleObjects,
  MACHINE,
  podOf,
  type StandIn,
  type StandIns,
} from './zero-secret.ts';

export const ISSUER = `https://signet-oidc.${SIGNET_NAMESPACE}.svc`;
export const AGENTS = 'agents';
export const BACKENDS = 'backends';
export const RESEARCHER = `spiffe://${TRUST_DOMAIN}/ns/${AGENTS}/sa/researcher`;
/** The ids that the example's Deployment has in its annotations. */
export const RULE = {
  id: 'fdrl_1',
  organization: '11111111-2222-3333-4444-555555555555',
  serviceAccount: 'svac_1',
  workspaces: ['default'],
  issuer: ISSUER,
  audience: 'https://api.anthropic.com',
  subjectPrefix: RESEARCHER,
  maxLifeSeconds: 300,
  tokenLifeSeconds: 60,
};
export const CLAUDE_API = 'https://claude-api.backends.svc:8443';
const START_MS = 90_000;
const POSTGRES = '/usr/lib/postgresql';

export class ZeroSecretExample {
  readonly #cluster: Cluster;
  #objects: readonly KubeObject[] = [];
  readonly #feeds: LineFeed[] = [];

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Resolves when all its pods are ready; `end` it whatever came of this. */
  async start(): Promise<void> {
    const { api } = this.#cluster;
    await installSignet(this.#cluster, { jwtIssuer: ISSUER, oidc: { enabled: true } });
    this.#objects = exampleObjects(await standIns());
    const isNamespace = ({ kind }: KubeObject) => kind === 'Namespace';
    await api.apply(...this.#objects.filter(isNamespace));
    await this.#startClaudeApi();
    await api.apply(...this.#objects.filter((object) => !isNamespace(object)));
    for (const namespace of [BACKENDS, AGENTS]) await this.#ready(namespace);
  }

  /** The pod of a Deployment or StatefulSet. */
  async pod(namespace: string, app: string): Promise<Pod> {
    const path = `/api/v1/namespaces/${namespace}/pods?labelSelector=app%3D${app}`;
    return await until(`a pod of ${app}`, async () => {
      const [pod] = await this.#cluster.api.list<Pod>(path);
      return pod && { ...pod, apiVersion: 'v1', kind: 'Pod' };
    });
  }

  /** What a pod prints from here on. */
  follow(pod: Pod): LineFeed {
    const feed = new LineFeed(this.#cluster, pod, 'agent');
    this.#feeds.push(feed);
    return feed;
  }

  /** The agent of a Deployment, under another account of its namespace. */
  async startAs(account: string, deployment: string): Promise<Pod> {
    const metadata = { name: account, namespace: AGENTS };
    const automountServiceAccountToken = false;
    const asAccount = { apiVersion: 'v1', kind: 'ServiceAccount', automountServiceAccountToken };
    await this.#cluster.api.apply({ ...asAccount, metadata });
    const pod = podOf(this.#objects, deployment, account) as Pod;
    await this.#cluster.api.create(pod);
    return await whenReady(this.#cluster, pod, START_MS);
  }

  object(kind: string, name: string): KubeObject {
    const found = this.#objects.find((each) => each.kind === kind && each.metadata.name === name);
    if (found === undefined) throw new Error(`no ${kind} ${name}`);
    return found;
  }

  /** Why the Claude API refused tokens, oldest first. */
  async refusals(): Promise<readonly string[]> {
    const lines = await linesOf(this.#cluster, await this.pod(BACKENDS, 'claude-api'));
    return lines.flatMap(({ refused }) => (typeof refused === 'string' ? [refused] : []));
  }

  async remove(pod: Pod): Promise<void> {
    await this.#cluster.api.delete(objectPath(pod), { gracePeriodSeconds: 1 });
    await this.#cluster.api.waitGone(objectPath(pod));
  }

  async end(): Promise<void> {
    for (const feed of this.#feeds) feed.close();
    const gone = [AGENTS, BACKENDS].map((name) => this.#cluster.deleteNamespace(name));
    await Promise.all(gone);
    for (const object of this.#objects) {
      if (object.kind === 'ClusterSPIFFEID') await remove(this.#cluster, object);
    }
    await installSignet(this.#cluster);
  }

  /** Beside the example: what is somewhere else for everybody. */
  async #startClaudeApi(): Promise<void> {
    const { api } = this.#cluster;
    const metadata = { namespace: BACKENDS, name: 'claude-api' };
    const path = `/api/v1/namespaces/${SIGNET_NAMESPACE}/configmaps/signet-issuer-ca`;
    const { data } = await api.get<KubeObject & { readonly data: object }>(path);
    await api.apply(
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...metadata, name: 'oidc-ca' }, data },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata,
        spec: { selector: { app: 'claude-api' }, ports: [{ port: 8443 }] },
      },
      optedIn({
        ...metadata,
        args: ['claude-api', '8443'],
        annotations: { 'signet.dev/files': 'true', 'signet.dev/require-identity': 'true' },
        spec: {
          serviceAccountName: 'claude-api',
          volumes: [{ name: 'ca', configMap: { name: 'oidc-ca' } }],
        },
        container: {
          readinessProbe: { tcpSocket: { port: 8443 }, periodSeconds: 1 },
          volumeMounts: [{ name: 'ca', mountPath: '/ca', readOnly: true }],
          env: [
            { name: 'NODE_EXTRA_CA_CERTS', value: '/ca/ca.crt' },
            { name: 'RULE', value: JSON.stringify(RULE) },
          ],
        },
      }),
    );
  }

  async #ready(namespace: string): Promise<void> {
    const apps = this.#objects
      .filter(({ kind, metadata }) => kind !== 'Pod' && metadata.namespace === namespace)
      .filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')
      .map(({ metadata }) => metadata.name ?? '');
    for (const app of namespace === BACKENDS ? [...apps, 'claude-api'] : apps) {
      await whenReady(this.#cluster, await this.pod(namespace, app), START_MS);
    }
  }
}

async function standIns(): Promise<StandIns> {
  const example = await bundledExample();
  const agent = (program: string) => ({
    command: ['node', `/example/${program}.mjs`],
    env: { ANTHROPIC_BASE_URL: CLAUDE_API, NODE_EXTRA_CA_CERTS: '/spiffe-files/ca.crt' },
    folders: { '/example': example },
  });
  return {
    'postgres:17': { env: { PATH: `${postgresPrograms()}:/usr/bin:/bin` }, folders: MACHINE },
    'openbao/openbao:2.7.2': program('/opt/openbao', await openBao()),
    'chrislusf/seaweedfs:4.48': program('/opt/seaweedfs', await seaweedFs()),
    'prom/prometheus:v3.16.0': program('/opt/prometheus', await prometheus()),
    'registry.example/researcher:1': agent('agent'),
    'registry.example/editor:1': agent('editor'),
  };
}

/** One that needs nothing but itself, and the libc of the image at most. */
function program(at: string, folder: string): StandIn {
  return { env: { PATH: `${at}:/usr/bin:/bin` }, folders: { [at]: folder } };
}

/** Debian has them beside each other, a folder for each version. */
function postgresPrograms(): string {
  const [newest] = readdirSync(POSTGRES).toSorted((a, b) => Number(b) - Number(a));
  if (newest === undefined) throw new Error('please install: postgresql');
  return join(POSTGRES, newest, 'bin');
}
