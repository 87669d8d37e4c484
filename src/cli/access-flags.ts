// The flags of every process that talks to an API server, with one meaning.

import { invalid } from '../base/errors.ts';
import type { FlagSpecs } from '../base/flags.ts';
import { PROCESS_FLAGS } from './process-flags.ts';

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
  ...PROCESS_FLAGS,
} as const satisfies FlagSpecs;

export function needed(value: string | undefined, name: string): string {
  if (value === undefined || value === '') throw invalid(`--${name}: needed`);
  return value;
}
