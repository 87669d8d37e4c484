// The flags of `signet authority`.

import type { FlagSpecs } from '../base/flags.ts';

export const AUTHORITY_FLAGS = {
  'trust-domain': { type: 'string', help: 'of all identities; needed', value: 'NAME' },
  namespace: { type: 'string', default: 'signet', help: 'where Signet is installed' },
  'cluster-domain': {
    type: 'string',
    default: 'cluster.local',
    help: 'of Service names',
    value: 'NAME',
  },
  'jwt-key-type': {
    type: 'choice',
    of: ['rsa-2048', 'ec-p256'],
    default: 'rsa-2048',
    help: 'of new JWT authorities',
  },
  'audit-log': {
    type: 'string',
    default: '-',
    help: 'file of audit lines, - for standard output',
    value: 'FILE',
  },
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
