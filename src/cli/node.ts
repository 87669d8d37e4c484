// `signet node`: the node plugin as a process of its own, one on each node, until it is told to end.

import { type FlagSpecs, type Flags, flagsHelp, parseFlags } from '../base/flags.ts';
import { createLogger } from '../base/log.ts';
import { HealthServer } from '../node/health.ts';
import { issuerChannelByTrust } from '../node/issuer-credentials.ts';
import { IssuerAuthorities, readToken } from '../node/issuer-files.ts';
import { issuerFilesReady } from '../node/issuer-wait.ts';
import { runNodePlugin } from '../node/main.ts';
import { NODE_KEY_TYPES } from '../node/svid/workload-key.ts';
import { parseTrustDomain } from '../spiffe/spiffe-id.ts';
import { VERSION } from '../version.ts';
import type { Command } from './command.ts';
import {
  absolutePath,
  dnsName,
  healthAddress,
  issuerTarget,
  positive,
  required,
} from './node-settings.ts';
import { PROCESS_FLAGS } from './process-flags.ts';

const FLAGS = {
  'node-name': { type: 'string', help: 'name of the Node object', value: 'NAME' },
  'driver-name': { type: 'string', default: 'csi.spiffe.io', help: 'name of the CSI driver' },
  'kubelet-root': {
    type: 'string',
    default: '/var/lib/kubelet',
    help: "the kubelet's directory, by the path that the kubelet has for it",
  },
  'plugin-directory': {
    type: 'string',
    help: 'where socket and records are; default: below the kubelet-root',
    value: 'DIR',
  },
  'trust-domain': { type: 'string', help: 'trust domain of the installation', value: 'NAME' },
  'issuer-address': {
    type: 'string',
    help: 'HOST:PORT of the issuer; a name may stand for several',
    value: 'ADDRESS',
  },
  'issuer-ca-file': {
    type: 'string',
    help: 'PEM of the serving authorities; may be written later, read again when calls are made',
    value: 'FILE',
  },
  'token-file': {
    type: 'string',
    help: 'ServiceAccount token that proves the node; may come later, read for every call',
    value: 'FILE',
  },
  'health-address': {
    type: 'string',
    default: '127.0.0.1:9809',
    help: 'where /healthz and /readyz are served, without TLS',
  },
  'publish-wait': {
    type: 'duration',
    default: '10s',
    help: 'how long a pod may wait for its first identity',
  },
  'allow-keys-on-disk': {
    type: 'boolean',
    help: "write files for pods whose emptyDir is on the node's disk too; keys then survive there",
  },
  'workload-key-type': {
    type: 'choice',
    of: [...NODE_KEY_TYPES],
    default: 'ec-p256',
    help: 'of the keys of workloads; RSA for peers that know nothing else',
  },
  'no-registration': { type: 'boolean', help: 'leave registration to the official sidecar' },
  ...PROCESS_FLAGS,
} as const satisfies FlagSpecs;

export const nodeCommand: Command = async (args, { out, err, clock, signal }) => {
  const { flags, positionals } = parseFlags(args, FLAGS);
  if (flags.help || positionals.length > 0) {
    (flags.help ? out : err)(flagsHelp('usage: signet node [FLAGS]', FLAGS));
    return flags.help ? 0 : 2;
  }
  const settings = nodeSettings(flags);
  const { trustDomain, tokenFile } = settings;
  const destination = { write: (line: string) => err(line.trimEnd()) };
  const log = createLogger('node', { level: flags['log-level'], destination });
  const authorities = new IssuerAuthorities(settings.issuerCaFile, log);
  const health = new HealthServer();
  await health.listen(settings.health);
  const inForce = { version: VERSION, ...settings, health: health.at };
  log.info({ settings: inForce }, 'Starting the node plugin');
  try {
    await runNodePlugin(
      {
        ...settings,
        issuer: {
          channel: issuerChannelByTrust({ target: settings.issuer, authorities, trustDomain }),
          token: async () => {
            await authorities.refresh();
            return await readToken(tokenFile);
          },
          ready: issuerFilesReady({ authorities, tokenFile, clock, log }),
        },
        clock,
        log,
        version: VERSION,
        health,
      },
      signal,
    );
  } finally {
    await health.close();
  }
  log.info({}, 'Ended the node plugin');
  return 0;
};

function nodeSettings(flags: Flags<typeof FLAGS>) {
  const pluginDirectory = flags['plugin-directory'];
  return {
    nodeName: dnsName('--node-name', required('--node-name', flags['node-name'])),
    driverName: dnsName('--driver-name', flags['driver-name']),
    kubeletRoot: absolutePath('--kubelet-root', flags['kubelet-root']),
    ...(pluginDirectory === undefined
      ? {}
      : { pluginDirectory: absolutePath('--plugin-directory', pluginDirectory) }),
    trustDomain: parseTrustDomain(required('--trust-domain', flags['trust-domain'])),
    issuer: issuerTarget(required('--issuer-address', flags['issuer-address'])),
    issuerCaFile: required('--issuer-ca-file', flags['issuer-ca-file']),
    tokenFile: required('--token-file', flags['token-file']),
    health: healthAddress(flags['health-address']),
    publishWaitMs: positive('--publish-wait', flags['publish-wait']),
    allowKeysOnDisk: flags['allow-keys-on-disk'],
    keyType: flags['workload-key-type'],
    registers: !flags['no-registration'],
    logLevel: flags['log-level'],
  };
}
