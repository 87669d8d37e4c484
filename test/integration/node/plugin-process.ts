// The node plugin as a process of its own, to be killed. First argument: JSON of its options. Says
// "ready" on standard output when the kubelet can call it.

import { parseArgs } from 'node:util';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { runNodePlugin } from '../../../src/node/main.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';

export type PluginProcessOptions = {
  readonly kubeletRoot: string;
  readonly issuer: string;
  readonly publishWaitMs: number;
};

const { positionals } = parseArgs({ allowPositionals: true });
const options = JSON.parse(positionals[0] ?? '{}') as PluginProcessOptions;
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
await runNodePlugin(
  {
    nodeName: 'node-1',
    driverName: 'csi.spiffe.io',
    kubeletRoot: options.kubeletRoot,
    trustDomain: parseTrustDomain('example.org'),
    issuer: { channel: { target: options.issuer }, token: async () => 'token-1' },
    clock: systemClock,
    log: silentLogger,
    version: '1.2.3',
    publishWaitMs: options.publishWaitMs,
    onReady: () => process.stdout.write('ready\n'),
  },
  stop.signal,
);
