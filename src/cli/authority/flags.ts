// The flags of `signet authority`.

import type { FlagSpecs, Flags } from '../../base/flags.ts';
import { AUDIT_SINK_FLAGS } from '../audit/sink-flags.ts';
import { CONNECTION_FLAGS } from '../cluster/connection.ts';
import { OUTPUT_FLAG } from '../output.ts';
import { PROCESS_FLAGS } from '../process-flags.ts';

export const AUTHORITY_FLAGS = {
  'trust-domain': {
    type: 'string',
    help: 'of all identities; needed by rotate and with --run-dir',
    value: 'NAME',
  },
  namespace: {
    type: 'string',
    short: 'n',
    default: 'signet',
    help: 'where Signet is installed',
    value: 'NAME',
  },
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
  'bundle-endpoint': {
    type: 'boolean',
    help: 'rotate: keep an X509-SVID for the bundle endpoint',
  },
  now: { type: 'boolean', help: 'activate before everybody has it' },
  seen: {
    type: 'integer',
    default: 0,
    help: 'accept-restore: the highest sequence that issuers say nodes have seen',
  },
  'run-dir': {
    type: 'string',
    help: 'of signet dev, instead of a cluster',
    value: 'DIR',
  },
  ...AUDIT_SINK_FLAGS,
  ...OUTPUT_FLAG,
  ...CONNECTION_FLAGS,
  ...PROCESS_FLAGS,
} as const satisfies FlagSpecs;

export type AuthorityFlags = Flags<typeof AUTHORITY_FLAGS>;
