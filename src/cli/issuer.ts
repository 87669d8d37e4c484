// `signet issuer`: signs for the node plugins of a cluster. Everything comes from flags; a manifest
// expands what it knows of its pod into them.

import { CodedError, invalid } from '../base/errors.ts';
import { type FlagSpecs, flagsHelp, parseFlags } from '../base/flags.ts';
import { createLogger } from '../base/log.ts';
import { DEFAULT_IDENTITY_SETTINGS } from '../identity/settings.ts';
import { clusterAccess, runIssuer } from '../issuer/main.ts';
import { openAuditLog } from '../issuer/stream-audit-log.ts';
import { parseTrustDomain } from '../spiffe/spiffe-id.ts';
import { VERSION } from '../version.ts';
import type { Command } from './command.ts';

const FLAGS = {
  'trust-domain': { type: 'string', help: 'of all identities; needed', value: 'NAME' },
  'cluster-name': { type: 'string', default: 'cluster', help: 'for templates', value: 'NAME' },
  'cluster-domain': {
    type: 'string',
    default: 'cluster.local',
    help: 'of Service names',
    value: 'NAME',
  },
  profile: {
    type: 'choice',
    of: ['drop-in', 'strict'],
    default: 'drop-in',
    help: 'what to do with what could be forged',
  },
  'class-name': { type: 'strings', help: 'serve policies of this class too; repeatable' },
  'ignore-classless': { type: 'boolean', help: 'leave policies without a class alone' },
  'ignore-namespace': {
    type: 'strings',
    help: 'RE2 pattern of namespaces without identities; repeatable',
  },
  'reserved-dns-name': {
    type: 'strings',
    help: 'a DNS name that no workload may have; repeatable',
  },
  'driver-name': { type: 'string', default: 'csi.spiffe.io', help: 'of the CSI driver' },
  namespace: { type: 'string', default: 'signet', help: 'where Signet is installed' },
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
  'max-staleness': {
    type: 'duration',
    default: '15m',
    help: 'how long known pods are served without an API server',
  },
  'audit-log': {
    type: 'string',
    help: 'file of audit lines, - for standard output; needed',
    value: 'FILE',
  },
  host: { type: 'string', help: 'address to listen on; default: all', value: 'ADDRESS' },
  port: { type: 'integer', default: 8443, help: 'for node plugins; 0: a free one' },
  'health-port': { type: 'integer', default: 8081, help: 'for probes; 0: a free one' },
  'api-server': {
    type: 'string',
    help: 'as manifests have it: https://$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)',
    value: 'URL',
  },
  'service-account-dir': {
    type: 'string',
    default: '/var/run/secrets/kubernetes.io/serviceaccount',
    help: 'where token and ca.crt are',
    value: 'DIR',
  },
  'log-level': {
    type: 'choice',
    of: ['error', 'warn', 'info', 'debug', 'silent'],
    default: 'info',
    help: 'how much to log, as JSON lines on standard error',
  },
  help: { type: 'boolean', help: 'print this' },
} as const satisfies FlagSpecs;

export const issuerCommand: Command = async (args, { out, err, clock, signal }) => {
  const { flags, positionals } = parseFlags(args, FLAGS);
  if (flags.help || positionals.length > 0) {
    out(flagsHelp('usage: signet issuer --trust-domain NAME --api-server URL …', FLAGS));
    return flags.help ? 0 : 2;
  }
  const trustDomain = parseTrustDomain(needed(flags['trust-domain'], 'trust-domain'));
  const server = needed(flags['api-server'], 'api-server');
  const auditPath = needed(flags['audit-log'], 'audit-log');
  const { host, namespace, 'jwt-issuer': jwtIssuer } = flags;
  const place = host === undefined ? {} : { host };
  const access = clusterAccess(server, flags['service-account-dir'], clock);
  const destination = { write: (line: string) => err(line.trimEnd()) };
  const audit = openAuditLog(auditPath, clock);
  try {
    await runIssuer(
      {
        settings: {
          ...DEFAULT_IDENTITY_SETTINGS,
          trustDomain,
          clusterName: flags['cluster-name'],
          clusterDomain: flags['cluster-domain'],
          profile: flags.profile,
          classNames: flags['class-name'],
          ignoreClassless: flags['ignore-classless'],
          ignoreNamespaces: flags['ignore-namespace'],
          reservedDnsNames: flags['reserved-dns-name'],
        },
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
        ...(jwtIssuer === undefined ? {} : { jwtIssuer }),
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

function needed(value: string | undefined, name: string): string {
  if (value === undefined || value === '') throw invalid(`--${name}: needed`);
  return value;
}
