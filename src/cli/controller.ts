// `signet controller`: the webhook of a cluster, and what writes into it. Everything comes from flags;
// a manifest expands what it knows of its pod into them.

import { hostname } from 'node:os';
import { CodedError } from '../base/errors.ts';
import { type FlagSpecs, flagsHelp, parseFlags } from '../base/flags.ts';
import { createLogger } from '../base/log.ts';
import { runController } from '../controller/main.ts';
import { serviceAccountAccess } from '../kube/kube-access.ts';
import { VERSION } from '../version.ts';
import { ACCESS_FLAGS, needed } from './access-flags.ts';
import { AUDIT_SINK_FLAGS, openSink } from './audit/sink-flags.ts';
import type { Command } from './command.ts';
import { FEDERATION_FLAGS, federationSettings } from './federation-flags.ts';
import { IDENTITY_FLAGS, identitySettings } from './identity-flags.ts';
import { OIDC_FLAGS, oidcOptions } from './oidc/flags.ts';

const FLAGS = {
  ...IDENTITY_FLAGS,
  'pod-name': { type: 'string', help: 'who leads and reports; default: the host', value: 'NAME' },
  observe: { type: 'boolean', help: 'write nothing; log what would differ' },
  adopt: { type: 'boolean', help: 'take over from a SPIRE that is still there' },
  'publish-to-namespaces': {
    type: 'boolean',
    help: 'write the bundle where a namespace asks for it',
  },
  'publish-trust-bundle': { type: 'boolean', help: 'write a ClusterTrustBundle' },
  ...AUDIT_SINK_FLAGS,
  ...FEDERATION_FLAGS,
  ...OIDC_FLAGS,
  'crl-port': {
    type: 'integer',
    default: 0,
    help: 'for revocation lists, over plain HTTP; 0: they are not served',
  },
  host: { type: 'string', help: 'address to listen on; default: all', value: 'ADDRESS' },
  'webhook-port': { type: 'integer', default: 9443, help: 'for API servers; 0: a free one' },
  'health-port': { type: 'integer', default: 8081, help: 'for probes; 0: a free one' },
  ...ACCESS_FLAGS,
} as const satisfies FlagSpecs;

export const controllerCommand: Command = async (args, { out, err, clock, signal }) => {
  const { flags, positionals } = parseFlags(args, FLAGS);
  if (flags.help || positionals.length > 0) {
    out(flagsHelp('usage: signet controller --trust-domain NAME --api-server URL …', FLAGS));
    return flags.help ? 0 : 2;
  }
  const settings = identitySettings(flags);
  const url = needed(flags['api-server'], 'api-server');
  const { host, namespace } = flags;
  const place = host === undefined ? {} : { host };
  const destination = { write: (line: string) => err(line.trimEnd()) };
  const podName = flags['pod-name'] ?? hostname();
  const options = {
    settings,
    driverName: flags['driver-name'],
    access: serviceAccountAccess({ url, directory: flags['service-account-dir'], clock }),
    namespace,
    podName,
    webhook: { ...place, port: flags['webhook-port'] },
    health: { ...place, port: flags['health-port'] },
    observes: flags.observe,
    adopts: flags.adopt,
    publishes: {
      namespaces: flags['publish-to-namespaces'],
      trustBundle: flags['publish-trust-bundle'],
    },
    federation: federationSettings(flags, url),
    ...(flags['crl-port'] === 0 ? {} : { crl: { address: { ...place, port: flags['crl-port'] } } }),
    ...oidcOptions(flags, place),
    clock,
    log: createLogger('controller', { level: flags['log-level'], destination }),
    version: VERSION,
  };
  const audit = openSink(flags, clock, podName);
  try {
    await runController({ ...options, audit }, signal);
  } finally {
    audit.close();
  }
  if (!signal.aborted) throw new CodedError('unavailable', 'the controller ended by itself');
  return 0;
};
