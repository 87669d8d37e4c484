// The flags of every process that talks to an API server, with one meaning.

import { invalid } from '../base/errors.ts';
import type { FlagSpecs } from '../base/flags.ts';

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

export function needed(value: string | undefined, name: string): string {
  if (value === undefined || value === '') throw invalid(`--${name}: needed`);
  return value;
}
