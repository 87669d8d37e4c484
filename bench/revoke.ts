// From a suspension that is written to the end of 100 open streams, each of a pod of its own: the issuer
// decides, the node plugin hears of it over its channel, and ends them with PermissionDenied. The limit is
// as many bare connections over Unix sockets in the same process, ended at the same moment.

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { CodedError } from '../src/base/errors.ts';
import { SpiffeWorkloadAPI } from '../src/transport/gen/spiffe/workload_pb.ts';
import { createGrpcClient, type GrpcClient } from '../src/transport/grpc/grpc-client.ts';
import { type BenchResult, benchResult, percentile } from './bench-result.ts';
import {
  NAMESPACE,
  type SmallCluster,
  startSmallCluster,
  waitUntil,
} from './small-cluster/small-cluster.ts';

const STREAMS = 100;
const WARM_UP = 3;
const ROUNDS = 20;
const PATIENCE_MS = 30_000;
const HEADER = { 'workload.spiffe.io': 'true' };

type Client = GrpcClient<typeof SpiffeWorkloadAPI>;

const SUSPENSION = {
  apiVersion: 'signet.dev/v1alpha1',
  kind: 'IdentityRestriction',
  metadata: { name: 'stop', uid: 'stop' },
  // With an end its entries come off the revocation lists: they do not grow from round to round.
  spec: { match: { namespace: NAMESPACE }, suspend: true, until: '2099-01-01T00:00:00Z' },
};

export async function run(): Promise<readonly BenchResult[]> {
  const cluster = await startSmallCluster();
  const pods = await cluster.warmPods(STREAMS);
  for (const pod of pods) await cluster.runner.publish(pod);
  // Who reads the answers is another process, as a rule: here they are not read.
  const clients = pods.map((pod) =>
    createGrpcClient(SpiffeWorkloadAPI, { target: cluster.addressOf(pod) }),
  );
  const ours: number[] = [];
  const bare: number[] = [];
  for (let round = -WARM_UP; round < ROUNDS; round += 1) {
    const ends = await suspend(cluster, clients);
    const least = await endConnections(join(cluster.root, 'bare.sock'));
    if (round < 0) continue;
    ours.push(...ends);
    bare.push(...least);
  }
  for (const client of clients) client.close();
  await cluster.stop();
  return [
    ['p50', 0.5],
    ['p99', 0.99],
    ['max', 1],
  ].map(([name, share]) =>
    benchResult({
      name: `revoke: suspension to end of stream, ${STREAMS} open, ${String(name)}`,
      value: percentile(ours, Number(share)),
      unit: 'ms',
      limit: percentile(bare, Number(share)),
    }),
  );
}

/** When each stream ended, in milliseconds since the suspension was written; all are served again then. */
async function suspend(
  { apply }: SmallCluster,
  clients: readonly Client[],
): Promise<readonly number[]> {
  let opened = 0;
  let written = Number.NaN;
  const never = new AbortController();
  const ends = clients.map(async (client) => {
    try {
      let answers = 0;
      for await (const _ of client.fetchX509SVID({}, { metadata: HEADER, signal: never.signal })) {
        answers += 1;
        if (answers === 1) opened += 1;
      }
    } catch (thrown) {
      const { code, message } = CodedError.from(thrown);
      if (code === 'permission-denied') return performance.now() - written;
      throw new Error(`a stream ended with ${code}: ${message}`, { cause: thrown });
    }
    throw new Error('a stream ended without a reason');
  });
  await waitUntil(() => opened >= clients.length);
  written = performance.now();
  apply('IdentityRestriction', 'stop', SUSPENSION);
  const took = await Promise.all(ends);
  apply('IdentityRestriction', 'stop');
  // One after the other: asked all at once and again, they would be most of the work.
  for (const client of clients) await servedAgain(client);
  return took;
}

async function servedAgain(client: Client): Promise<void> {
  for (;;) {
    try {
      const stop = AbortSignal.timeout(PATIENCE_MS);
      for await (const _ of client.fetchX509SVID({}, { metadata: HEADER, signal: stop })) return;
    } catch (thrown) {
      if (CodedError.from(thrown).code !== 'permission-denied') throw thrown;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function endConnections(path: string): Promise<readonly number[]> {
  const accepted: Socket[] = [];
  const server = createServer((socket) => accepted.push(socket)).listen(path);
  await once(server, 'listening');
  let started = Number.NaN;
  const ends = Array.from({ length: STREAMS }, async () => {
    const socket = connect(path).resume();
    await once(socket, 'close');
    return performance.now() - started;
  });
  await waitUntil(() => accepted.length === STREAMS);
  started = performance.now();
  for (const socket of accepted) socket.end();
  const took = await Promise.all(ends);
  server.close();
  return took;
}

if (import.meta.main) for (const result of await run()) console.log(JSON.stringify(result));
