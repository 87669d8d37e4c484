// `signet dev DIR`: identities for the pods that a directory of manifests describes, on one machine,
// until it is interrupted.

import { tmpdir } from 'node:os';
import { invalid } from '../base/errors.ts';
import { type FlagSpecs, flagsHelp, parseFlags } from '../base/flags.ts';
import { createLogger } from '../base/log.ts';
import { DevEnvironment } from '../dev/dev-environment.ts';
import { explainFlags } from '../dev/explain-flags.ts';
import { readDirectory } from '../dev/manifest-directory.ts';
import { podLine } from '../dev/pod-line.ts';
import { receiptLines } from '../dev/receipt.ts';
import { RunDirectory } from '../dev/run-directory.ts';
import { devTrustDomain } from '../dev/trust-domain.ts';
import { DEFAULT_IDENTITY_SETTINGS } from '../identity/settings.ts';
import { bundleEndpointId } from '../spiffe/issuer-endpoint-id.ts';
import { VERSION } from '../version.ts';
import type { Command } from './command.ts';
import { devBundleEndpoint } from './federation-dev-flags.ts';
import { devOidc } from './oidc/dev-flags.ts';
import { printable } from './table.ts';

const FLAGS = {
  'trust-domain': {
    type: 'string',
    help: 'default: the one that all templates spell out, else dev.invalid',
    value: 'NAME',
  },
  'run-dir': {
    type: 'string',
    help: 'where sockets and authorities live; default: derived from DIR',
    value: 'DIR',
  },
  profile: {
    type: 'choice',
    of: ['drop-in', 'strict'],
    default: 'drop-in',
    help: 'what to do with what could be forged',
  },
  'allow-keys-on-disk': {
    type: 'boolean',
    help: 'write files for pods that ask for them into the run directory, which may be on a disk',
  },
  'oidc-listen': {
    type: 'string',
    help: 'serve OpenID Connect documents there, such as localhost:8443',
    value: 'HOST:PORT',
  },
  'jwt-issuer': {
    type: 'string',
    help: 'the iss claim; default with --oidc-listen: https://HOST:PORT',
    value: 'URL',
  },
  'bundle-endpoint': {
    type: 'string',
    help: 'serve the bundle to other trust domains there, such as 127.0.0.1:8441',
    value: 'HOST:PORT',
  },
  'bundle-refresh-hint': {
    type: 'duration',
    default: '10s',
    help: 'with it: how often they are to look',
  },
  'log-level': {
    type: 'choice',
    of: ['error', 'warn', 'info', 'debug', 'silent'],
    default: 'warn',
    help: 'how much to log, as JSON lines on standard error',
  },
  help: { type: 'boolean', help: 'print this' },
} as const satisfies FlagSpecs;

/** A receipt waits for the node's answer, but not for ever. */
const RECEIPT_WAIT_MS = 1000;
const RECEIPT_LOOK_MS = 20;

export const devCommand: Command = async (args, { out, err, clock, signal, environment }) => {
  const { flags, positionals } = parseFlags(args, FLAGS);
  if (flags.help || positionals.length !== 1) {
    (flags.help ? out : err)(flagsHelp('usage: signet dev DIR', FLAGS));
    return flags.help ? 0 : 2;
  }
  if (process.platform !== 'linux') {
    err('signet dev: runs on Linux only (WSL2 included): it binds Unix sockets through /proc');
    return 2;
  }
  const [manifests = ''] = positionals;
  const trustDomain = devTrustDomain(flags['trust-domain'], readDirectory(manifests).objects);
  const oidc = devOidc(flags['oidc-listen'], flags['jwt-issuer']);
  const hint = flags['bundle-refresh-hint'];
  const bundleEndpoint = devBundleEndpoint(flags['bundle-endpoint'], hint);
  const run = RunDirectory.open({
    manifests,
    runDir: flags['run-dir'],
    base: environment['XDG_RUNTIME_DIR'] ?? tmpdir(),
  });
  const destination = { write: (line: string) => err(line.trimEnd()) };
  const dev = new DevEnvironment({
    manifests,
    run,
    settings: { ...DEFAULT_IDENTITY_SETTINGS, trustDomain, profile: flags.profile },
    clock,
    log: createLogger('dev', { level: flags['log-level'], destination }),
    version: VERSION,
    explainFlags: explainFlags(manifests, {
      trustDomain: flags['trust-domain'],
      profile: flags.profile === FLAGS.profile.default ? undefined : flags.profile,
    }),
    allowKeysOnDisk: flags['allow-keys-on-disk'],
    ...(oidc === undefined ? {} : { oidc }),
    bundleEndpoint,
    listener: {
      onOidc: ({ issuer }) => out(`OIDC issuer ${issuer}, authorities ${run.servingAuthorities}`),
      onBundleEndpoint: (port) =>
        out(`bundle endpoint ${bundleEndpointId(trustDomain)}, port ${port}`),
      onFederation: (line, isProblem) => (isProblem ? err(`! ${line}`) : out(line)),
      onNotice: (line) => err(`! ${printable(line)}`),
      onPod: (pod) => out(podLine(pod)),
      onPodGone: ({ namespace, name }) => out(`${namespace}/${name}  gone`),
      onRestriction: (name, environmentNow) => {
        void printReceipt(environmentNow, name);
      },
    },
  });
  const printReceipt = async (environmentNow: DevEnvironment, name: string): Promise<void> => {
    const until = clock.now() + RECEIPT_WAIT_MS;
    let lines = receiptLines(environmentNow, name, clock.now());
    while (clock.now() < until && lines.some((line) => line.endsWith('not acknowledged yet'))) {
      await clock.sleep(RECEIPT_LOOK_MS, signal);
      lines = receiptLines(environmentNow, name, clock.now());
    }
    for (const line of lines) out(line);
  };
  out(`trust domain ${trustDomain}, run directory ${run.path}`);
  try {
    await dev.run(signal);
  } finally {
    run.close();
  }
  if (!signal.aborted) throw invalid('signet dev ended by itself');
  return 0;
};
