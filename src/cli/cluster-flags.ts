// The flags that every process with a view of the cluster takes, with one meaning.

import { invalid } from '../base/errors.ts';
import type { FlagSpecs, Flags } from '../base/flags.ts';
import { DEFAULT_IDENTITY_SETTINGS, type IdentitySettings } from '../identity/settings.ts';
import { parseTrustDomain } from '../spiffe/spiffe-id.ts';

export const IDENTITY_FLAGS = {
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
} as const satisfies FlagSpecs;

export const ACCESS_FLAGS = {
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

/** Throws `invalid-argument` naming the flag. */
export function identitySettings(flags: Flags<typeof IDENTITY_FLAGS>): IdentitySettings {
  return {
    ...DEFAULT_IDENTITY_SETTINGS,
    trustDomain: parseTrustDomain(needed(flags['trust-domain'], 'trust-domain')),
    clusterName: flags['cluster-name'],
    clusterDomain: flags['cluster-domain'],
    profile: flags.profile,
    classNames: flags['class-name'],
    ignoreClassless: flags['ignore-classless'],
    ignoreNamespaces: flags['ignore-namespace'],
    reservedDnsNames: flags['reserved-dns-name'],
  };
}

export function needed(value: string | undefined, name: string): string {
  if (value === undefined || value === '') throw invalid(`--${name}: needed`);
  return value;
}
