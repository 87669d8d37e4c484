// `npm run cluster [-- NODES]` brings a cluster up and leaves it; `npm run cluster:down` ends it;
// `npm run cluster:tools` builds what it is made of, into the cache.

import { Cluster } from './lib/cluster.ts';
import { ensurePackages, unfit } from './lib/host.ts';
import { buildImages } from './lib/images.ts';
import { DEFAULT_CLUSTER } from './lib/layout.ts';
import { ensureServers } from './lib/server-programs.ts';
import { tearDown } from './lib/tear-down.ts';
import { ensureTools } from './lib/tools.ts';

const [verb = 'up', nodes = '2'] = process.argv.slice(2);
const why = unfit();
if (why !== undefined) {
  process.stderr.write(`${why}\n`);
  process.exit(2);
}
const name = process.env['SIGNET_CLUSTER'] ?? DEFAULT_CLUSTER;
if (verb === 'down') {
  await tearDown(name);
} else if (verb === 'tools') {
  await ensurePackages();
  await ensureTools();
  await ensureServers();
} else {
  const begun = performance.now();
  await ensurePackages();
  const tools = await ensureTools();
  const images = await buildImages(tools.pause);
  const built = performance.now();
  const cluster = await Cluster.up({ name, nodes: Number(nodes), tools, images });
  const seconds = (from: number, to: number): string => ((to - from) / 1000).toFixed(1);
  process.stdout.write(
    [
      `built in ${seconds(begun, built)} s, up in ${seconds(built, performance.now())} s`,
      `files and logs: ${cluster.directory}`,
      `alias k='${cluster.kubectl.argv([]).join(' ')}'`,
      '',
    ].join('\n'),
  );
}
