// The flags of `signet authority`.

import type { FlagSpecs } from '../base/flags.ts';
import { ACCESS_FLAGS } from './access-flags.ts';

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
  ...ACCESS_FLAGS,
} as const satisfies FlagSpecs;
