// Two agents on different nodes, through a Service: go-spiffe on one side and our client on the other,
// and the other way round. Their SVIDs live so short that several change meanwhile.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type AgentPod, agentPod, lineOf, whenReady } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { until } from './lib/commands.ts';
import { appId, appIdentity, optedIn, remove } from './lib/identities.ts';
import { LineFeed } from './lib/line-feed.ts';
import { figure } from './lib/report.ts';

const cluster = attached();
const [first, second] = cluster.nodes;
assert.ok(first !== undefined && second !== undefined);
const [here, there] = [first, second];

/** They are renewed at half of it. */
const TTL_S = 30;
const ROTATIONS = 3;
const TIMEOUT_MS = (ROTATIONS + 2) * TTL_S * 1000;
const PORT = 8443;
const EVERY_MS = 20;
const CONNECT_MS = 1000;
const GO = ['/app/go-spiffe'] as const;

suite('mTLS between nodes', { concurrency: true }, () => {
  let namespace = '';
  before(async () => {
    namespace = await freshNamespace(cluster, 'mtls');
    await cluster.api.apply(appIdentity(namespace, { ttl: `${TTL_S}s` }));
  });
  after(async () => {
    await remove(cluster, appIdentity(namespace));
    await cluster.deleteNamespace(namespace);
  });

  test('our client calls a server of go-spiffe through three rotations', async () => {
    const [server, client] = ['go-server', 'our-client'];
    await serve({
      name: server,
      command: GO,
      args: ['echo', 'env', `:${PORT}`, appId(namespace, client)],
    });
    const to = [hostOf(server), String(PORT), appId(namespace, server), String(EVERY_MS)];
    await callsWell({ name: client, args: ['call', ...to] });
  });

  test('go-spiffe calls a server of our client through three rotations', async () => {
    const [server, client] = ['our-server', 'go-client'];
    await serve({ name: server, args: ['serve', String(PORT), appId(namespace, client)] });
    const to = [`${hostOf(server)}:${PORT}`, appId(namespace, server), String(EVERY_MS)];
    await callsWell({ name: client, command: GO, args: ['call', 'env', ...to] });
  });

  test('a server refuses a client of another SPIFFE ID', async () => {
    await serve({ name: 'choosy', args: ['serve', String(PORT), appId(namespace, 'friend')] });
    const to = [hostOf('choosy'), String(PORT), appId(namespace, 'choosy'), '200'];
    const stranger = optedIn({
      namespace,
      name: 'stranger',
      node: there.name,
      args: ['call', ...to],
    });
    await cluster.api.create(stranger);
    await whenReady(cluster, stranger);
    const line = await lineOf(cluster, stranger, {
      accepts: (line) => line['failure'] !== undefined || line['peer'] !== undefined,
    });
    assert.equal(line['peer'], undefined);
    const server = agentPod({ namespace, name: 'choosy', args: [] });
    const named = appId(namespace, 'stranger');
    await lineOf(cluster, server, { accepts: ({ refused }) => String(refused).includes(named) });
  });

  function hostOf(server: string): string {
    return `${server}.${namespace}.svc.cluster.local`;
  }

  /** A server with a Service, both ready for calls from the other node. */
  async function serve(server: Omit<AgentPod, 'namespace'>): Promise<void> {
    const { name } = server;
    const pod = optedIn({ namespace, node: here.name, ...server });
    const metadata = { namespace, name };
    const spec = { selector: { app: name }, ports: [{ port: PORT }] };
    const service = await cluster.api.create({ apiVersion: 'v1', kind: 'Service', metadata, spec });
    await cluster.api.create(pod);
    await whenReady(cluster, pod);
    await lineOf(cluster, pod, { accepts: (line) => line['listening'] !== undefined });
    // Its address works once kube-proxy has heard of it.
    const { clusterIP } = service.spec as unknown as { clusterIP: string };
    await until(`Service ${name} on ${there.name}`, async () => {
      const connect = `exec 3<>/dev/tcp/${clusterIP}/${PORT}`;
      const { status } = await there.exec(['bash', '-c', connect], { timeoutMs: CONNECT_MS });
      return status === 0 ? true : undefined;
    });
  }

  async function callsWell(client: Omit<AgentPod, 'namespace'>): Promise<void> {
    const pod = optedIn({ namespace, node: there.name, ...client });
    await cluster.api.create(pod);
    await whenReady(cluster, pod);
    const feed = new LineFeed(cluster, pod);
    const line = await feed.next((line) => {
      const { rotations, peerRotations, failure, error } = line;
      if (failure !== undefined || error !== undefined) return true;
      return Number(rotations) >= ROTATIONS && Number(peerRotations) >= ROTATIONS;
    }, TIMEOUT_MS);
    feed.close();
    assert.equal(line['failure'] ?? line['error'], undefined, JSON.stringify(line));
    assert.equal(line['failures'], 0);
    figure(`${client.name}: calls over ${ROTATIONS} rotations`, Number(line['calls']), 'calls');
    assert.ok(Number(line['calls']) > 100, JSON.stringify(line));
  }
});
