// `signet issuer`: signs for the node plugins of a cluster. Everything comes from flags; a manifest
// expands what it knows of its pod into them.

import { CodedError, invalid } from '../base/errors.ts';
import { type FlagSpecs, flagsHelp, parseFlags } from '../base/flags.ts';
import { createLogger } from '../base/log.ts';
import { clusterAccess, runIssuer } from '../issuer/main.ts';
import { parseIssuerUrl } from '../spiffe/jwt-svid/issuer-url.ts';
import { WORKLOAD_KEY_TYPES } from '../spiffe/x509-svid/workload-public-key.ts';
import { VERSION } from '../version.ts';
import { ACCESS_FLAGS, needed } from './access-flags.ts';
import { AUDIT_SINK_FLAGS, openSink } from './audit/sink-flags.ts';
import type { Command } from './command.ts';
import { IDENTITY_FLAGS, identitySettings } from './identity-flags.ts';

const FLAGS = {
  ...IDENTITY_FLAGS,
  'node-service-account': {
    type: 'string',
    default: 'signet-node',
    help: 'of the node plugins',
    value: 'NAME',
  },
  'node-daemon-set': {
    type: 'string',
    default: 'signet-node',
    help: 'of the node plugins',
    value: 'NAME',
  },
  'jwt-issuer': { type: 'string', help: 'the iss claim of JWT-SVIDs', value: 'URL' },
  'workload-key-type': {
    type: 'strings',
    help: `keys that workloads may have: ${WORKLOAD_KEY_TYPES.join(', ')}; repeatable; default: all`,
    value: 'TYPE',
  },
  'max-staleness': {
    type: 'duration',
    default: '15m',
    help: 'how long known pods are served without an API server',
  },
  ...AUDIT_SINK_FLAGS,
  'audit-log': {
    type: 'string',
    help: 'file of audit lines, - for standard output; needed',
    value: 'FILE',
  },
  host: { type: 'string', help: 'address to listen on; default: all', value: 'ADDRESS' },
  port: { type: 'integer', default: 8443, help: 'for node plugins; 0: a free one' },
  'health-port': { type: 'integer', default: 8081, help: 'for probes; 0: a free one' },
  ...ACCESS_FLAGS,
} as const satisfies FlagSpecs;

export const issuerCommand: Command = async (args, { out, err, clock, signal }) => {
  const { flags, positionals } = parseFlags(args, FLAGS);
  if (flags.help || positionals.length > 0) {
    out(flagsHelp('usage: signet issuer --trust-domain NAME --api-server URL …', FLAGS));
    return flags.help ? 0 : 2;
  }
  const server = needed(flags['api-server'], 'api-server');
  const auditPath = needed(flags['audit-log'], 'audit-log');
  const { host, namespace, 'jwt-issuer': jwtIssuer } = flags;
  const place = host === undefined ? {} : { host };
  const access = clusterAccess(server, flags['service-account-dir'], clock);
  const destination = { write: (line: string) => err(line.trimEnd()) };
  const audit = openSink({ ...flags, 'audit-log': auditPath }, clock);
  try {
    await runIssuer(
      {
        settings: identitySettings(flags),
        driverName: flags['driver-name'],
        access,
        namespace,
        plugin: {
          namespace,
          serviceAccount: flags['node-service-account'],
          daemonSet: flags['node-daemon-set'],
        },
        listen: { ...place, port: flags.port },
        health: { ...place, port: flags['health-port'] },
        maxStalenessMs: flags['max-staleness'],
        ...(jwtIssuer === undefined
          ? {}
          : { jwtIssuer: parseIssuerUrl(jwtIssuer, '--jwt-issuer') }),
        ...keyTypes(flags['workload-key-type']),
        audit,
        clock,
        log: createLogger('issuer', { level: flags['log-level'], destination }),
        version: VERSION,
      },
      signal,
    );
  } finally {
    audit.close();
  }
  if (!signal.aborted) throw new CodedError('unavailable', 'the issuer ended by itself');
  return 0;
};

function keyTypes(names: readonly string[]) {
  if (names.length === 0) return {};
  const types = names.map((name) => {
    const type = WORKLOAD_KEY_TYPES.find((known) => known === name);
    if (type === undefined) throw invalid(`--workload-key-type: "${name}" is not a type of key`);
    return type;
  });
  return { keyTypes: new Set(types) };
}
