// What derivation needs to know of an installation.

import { RE2JS } from 're2js';
import { CodedError, invalid } from '../base/errors.ts';
import { DEFAULT_CLAIM_NAMES } from '../crds/claim-names.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';

/**
 * - `drop-in`: upstream's semantics; what could be forged is reported.
 * - `strict`: what could be forged is refused.
 */
export type Profile = 'drop-in' | 'strict';

export type IdentitySettings = {
  readonly trustDomain: TrustDomain;
  readonly clusterName: string;
  /** Such as `cluster.local`. */
  readonly clusterDomain: string;
  readonly profile: Profile;
  /** Classes whose policies are served. */
  readonly classNames: readonly string[];
  /** Whether policies without a class are left to somebody else. */
  readonly ignoreClassless: boolean;
  /** RE2 patterns, unanchored as upstream has them (compatibility G3). */
  readonly ignoreNamespaces: readonly string[];
  /** Which claims policies may set; `*` at an end stands for anything. */
  readonly claimNames: readonly string[];
  /** DNS names of our own endpoints, which no workload may have. */
  readonly reservedDnsNames: readonly string[];
};

export const DEFAULT_IDENTITY_SETTINGS: Omit<IdentitySettings, 'trustDomain'> = {
  clusterName: 'cluster',
  clusterDomain: 'cluster.local',
  profile: 'drop-in',
  classNames: [],
  ignoreClassless: false,
  ignoreNamespaces: [],
  claimNames: DEFAULT_CLAIM_NAMES,
  reservedDnsNames: [],
};

/** Whether policies of this class are ours to serve (compatibility G4). */
export function servesClass(settings: IdentitySettings, className: string): boolean {
  return className === '' ? !settings.ignoreClassless : settings.classNames.includes(className);
}

/** Decides which namespaces are ignored; throws `invalid-argument` for a bad pattern. */
export function namespaceFilter(patterns: readonly string[]): (namespace: string) => boolean {
  const compiled = patterns.map((pattern) => {
    try {
      return RE2JS.compile(pattern);
    } catch (thrown) {
      const { message } = CodedError.from(thrown);
      throw invalid(`ignore-namespace: "${pattern}" is not an RE2 pattern: ${message}`, thrown);
    }
  });
  return (namespace) => compiled.some((pattern) => pattern.matcher(namespace).find());
}
