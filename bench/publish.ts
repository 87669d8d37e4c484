// From NodePublishVolume to the first SVID on the new socket, for pods whose entries are warm: the
// whole path of kubelet, plugin and workload over real sockets, the issuer included. The limit is the
// same files made bare, and the same fetch over a new connection to a socket that was there before.

import { once } from 'node:events';
import { mkdirSync, symlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { WorkloadApiClient } from '../client/src/index.ts';
import type { RunnablePod } from '../src/dev/pod-runner.ts';
import { type BenchResult, benchResult, percentile } from './bench-result.ts';
import { POLICY, startSmallCluster } from './small-cluster/small-cluster.ts';

const SINGLES = 300;
/** Not counted: a node plugin runs for weeks. */
const WARM_UP = 100;
const BURST = 110;
const BURSTS = 5;

export async function run(): Promise<readonly BenchResult[]> {
  const bench = await start();
  const first: number[] = [];
  const again: number[] = [];
  const burst: number[] = [];
  const burstAgain: number[] = [];
  for (let count = -WARM_UP; count < SINGLES; count += 1) {
    const [pod] = await bench.warmPods(1);
    if (pod === undefined) continue;
    const published = await timeMs(async () => await bench.publishAndFetch(pod));
    const files = await timeMs(async () => await bench.sameFiles(pod));
    const fetched = await timeMs(async () => await bench.fetch(pod));
    if (count < 0) continue;
    first.push(published);
    again.push(files + fetched);
  }
  for (let count = 0; count < BURSTS; count += 1) {
    const pods = await bench.warmPods(BURST);
    burst.push(await timeMs(async () => await all(pods, bench.publishAndFetch)));
    burstAgain.push(
      await timeMs(async () => {
        await all(pods, bench.sameFiles);
        await all(pods, bench.fetch);
      }),
    );
  }
  await bench.stop();
  const ms = (name: string, value: number, limit: number) =>
    benchResult({ name, value, unit: 'ms', limit });
  return [
    ms('publish to first SVID, p50', percentile(first, 0.5), percentile(again, 0.5)),
    ms('publish to first SVID, p99', percentile(first, 0.99), percentile(again, 0.99)),
    ms(
      `publish to first SVID, ${BURST} pods at once`,
      percentile(burst, 0.5),
      percentile(burstAgain, 0.5),
    ),
  ];
}

async function start() {
  const cluster = await startSmallCluster();
  const bare = join(cluster.root, 'b');
  mkdirSync(bare);
  const fetch = async (pod: RunnablePod): Promise<void> => {
    const client = new WorkloadApiClient({ address: cluster.addressOf(pod) });
    const { svids } = await client.fetchX509Context();
    if (svids.length !== 1) throw new Error('no SVID');
    client.close();
  };
  /** What no driver can do without, done bare: a durable record, a directory, a socket and its names. */
  const sameFiles = async ({ uid }: RunnablePod): Promise<void> => {
    const directory = join(bare, uid);
    const record = await open(`${directory}.json`, 'w');
    await record.writeFile(JSON.stringify(POLICY));
    await record.sync();
    await record.close();
    mkdirSync(directory);
    const server = createServer().listen(join(directory, 's'));
    await once(server, 'listening');
    for (const alias of ['agent.sock', 'api.sock', 'socket'])
      symlinkSync('s', join(directory, alias));
    server.close();
  };
  const publishAndFetch = async (pod: RunnablePod): Promise<void> => {
    await cluster.runner.publish(pod);
    await fetch(pod);
  };
  return { ...cluster, fetch, sameFiles, publishAndFetch };
}

async function all<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  await Promise.all(items.map(act));
}

async function timeMs(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

if (import.meta.main) for (const result of await run()) console.log(JSON.stringify(result));
