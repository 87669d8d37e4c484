// An identity view over saved objects, for commands that need no cluster.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { invalid } from '../base/errors.ts';
import type { FlagSpecs, Flags } from '../base/flags.ts';
import { isIdentityObject } from '../dev/kinds.ts';
import { type ManifestObject, readManifests } from '../dev/read-manifests.ts';
import { IdentityView } from '../identity/identity-view.ts';
import { DEFAULT_IDENTITY_SETTINGS, type IdentitySettings } from '../identity/settings.ts';
import { parseTrustDomain } from '../spiffe/spiffe-id.ts';

/** Where a cluster's installation is, for commands that ask it how it decides. */
export const INSTALLATION_FLAGS = {
  'signet-namespace': {
    type: 'string',
    default: 'signet',
    help: 'where Signet is installed; the flags of its issuer count where none is given here',
    value: 'NAME',
  },
  'driver-name': { type: 'string', default: 'csi.spiffe.io', help: 'of the CSI driver' },
} as const satisfies FlagSpecs;

/** Flags of every command that derives identities. */
export const IDENTITY_FLAGS = {
  'trust-domain': { type: 'string', help: 'trust domain of the installation', value: 'NAME' },
  'cluster-name': { type: 'string', default: 'cluster', help: 'what .ClusterName says' },
  'cluster-domain': {
    type: 'string',
    default: 'cluster.local',
    help: 'what .ClusterDomain says',
  },
  'ignore-namespace': {
    type: 'strings',
    help: 'RE2 pattern of namespaces without identities; repeatable',
    value: 'PATTERN',
  },
  'class-name': { type: 'strings', help: 'class that is served; repeatable', value: 'CLASS' },
  'ignore-classless': { type: 'boolean', help: 'leave policies without a class alone' },
  'jwt-claim': {
    type: 'strings',
    help: 'a claim that policies may set, * at its end for more; repeatable; default: agent_*',
  },
  'reserved-dns-name': {
    type: 'strings',
    help: 'a DNS name that no workload may have; repeatable',
  },
  profile: {
    type: 'choice',
    of: ['drop-in', 'strict'],
    default: 'drop-in',
    help: 'what to do with what could be forged',
  },
} as const satisfies FlagSpecs;

export function identitySettings(flags: Flags<typeof IDENTITY_FLAGS>): IdentitySettings {
  const trustDomain = flags['trust-domain'];
  if (trustDomain === undefined) throw invalid('--trust-domain: must be given');
  return {
    ...DEFAULT_IDENTITY_SETTINGS,
    trustDomain: parseTrustDomain(trustDomain),
    clusterName: flags['cluster-name'],
    clusterDomain: flags['cluster-domain'],
    profile: flags.profile,
    classNames: flags['class-name'],
    ignoreClassless: flags['ignore-classless'],
    ignoreNamespaces: flags['ignore-namespace'],
    ...(flags['jwt-claim'].length === 0 ? {} : { claimNames: flags['jwt-claim'] }),
    reservedDnsNames: flags['reserved-dns-name'],
  };
}

/** The objects of files, and of the files in directories; mistakes go to `onError`, one line each. */
export function readObjects(
  paths: readonly string[],
  onError: (line: string) => void,
): readonly ManifestObject[] {
  return paths.flatMap(expand).flatMap((path) => {
    const { objects, errors } = readManifests(path, readFileSync(path, 'utf8'));
    errors.forEach(onError);
    return objects;
  });
}

/** A view over the objects; what identities do not depend on is skipped. */
export function offlineView(
  objects: readonly ManifestObject[],
  { settings, warn }: { settings: IdentitySettings; warn: (line: string) => void },
): IdentityView {
  const view = new IdentityView(settings);
  const skipped = new Set<string>();
  for (const each of objects) {
    if (!isIdentityObject(each)) {
      skipped.add(each.kind);
      continue;
    }
    const { kind, namespace, name, object, source } = each;
    const errors = view.apply({ kind, namespace, name, object });
    for (const error of errors) warn(`${source}: ${kind} ${name}: ${error}`);
  }
  if (skipped.size > 0) warn(`skipped: ${[...skipped].toSorted().join(', ')}`);
  return view;
}

const MANIFEST = /\.(ya?ml|json)$/;

function expand(path: string): readonly string[] {
  let isDirectory: boolean;
  try {
    isDirectory = statSync(path).isDirectory();
  } catch (thrown) {
    throw invalid(`${path}: cannot be read`, thrown);
  }
  if (!isDirectory) return [path];
  return readdirSync(path)
    .filter((name) => MANIFEST.test(name))
    .toSorted()
    .map((name) => join(path, name));
}
