// The flags of every process that derives identities. Issuer and controller must be given the same.

import type { FlagSpecs, Flags } from '../base/flags.ts';
import { checkClaimPattern } from '../crds/claim-names.ts';
import { DEFAULT_IDENTITY_SETTINGS, type IdentitySettings } from '../identity/settings.ts';
import { parseTrustDomain } from '../spiffe/spiffe-id.ts';
import { needed } from './access-flags.ts';

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
  'jwt-claim': {
    type: 'strings',
    help: 'a claim that policies may set, * at its end for more; repeatable; default: agent_*',
  },
  'reserved-dns-name': {
    type: 'strings',
    help: 'a DNS name that no workload may have; repeatable',
  },
  'driver-name': { type: 'string', default: 'csi.spiffe.io', help: 'of the CSI driver' },
  namespace: { type: 'string', default: 'signet', help: 'where Signet is installed' },
} as const satisfies FlagSpecs;

/** Throws `invalid-argument` naming the flag. */
export function identitySettings(flags: Flags<typeof IDENTITY_FLAGS>): IdentitySettings {
  const claimNames = flags['jwt-claim'];
  for (const pattern of claimNames) checkClaimPattern(pattern, '--jwt-claim');
  return {
    ...DEFAULT_IDENTITY_SETTINGS,
    trustDomain: parseTrustDomain(needed(flags['trust-domain'], 'trust-domain')),
    clusterName: flags['cluster-name'],
    clusterDomain: flags['cluster-domain'],
    profile: flags.profile,
    classNames: flags['class-name'],
    ignoreClassless: flags['ignore-classless'],
    ignoreNamespaces: flags['ignore-namespace'],
    ...(claimNames.length === 0 ? {} : { claimNames }),
    reservedDnsNames: flags['reserved-dns-name'],
  };
}
