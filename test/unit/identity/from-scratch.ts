// What a cluster's identities are, derived by asking every policy about every pod: no index, no
// memory of what was before. The measure for the incremental derivation.

import type { ClusterSpiffeIdPolicy } from '../../../src/crds/cluster-spiffe-id-policy.ts';
import { parseClusterSpiffeId } from '../../../src/crds/cluster-spiffe-id-policy.ts';
import { parseClusterStaticEntry } from '../../../src/crds/cluster-static-entry.ts';
import {
  type IdentityRestriction,
  parseIdentityRestriction,
} from '../../../src/crds/identity-restriction-policy.ts';
import { makeCandidate } from '../../../src/identity/candidate.ts';
import type { IdentityKind } from '../../../src/identity/identity-view.ts';
import {
  isNodeOwned,
  objectIn,
  type PodObject,
  readEndpointSlice,
  readNamespace,
  readNode,
  readPod,
  readService,
  textIn,
} from '../../../src/identity/objects.ts';
import { refusalOf, toIdentities } from '../../../src/identity/pod-identity.ts';
import { comparePreference, type Policy } from '../../../src/identity/policy.ts';
import { limitsOf } from '../../../src/identity/restrict.ts';
import { selects } from '../../../src/identity/selectors.ts';
import { type IdentitySettings, servesClass } from '../../../src/identity/settings.ts';
import { type Fate, settle } from '../../../src/identity/settle.ts';
import { standingOf } from '../../../src/identity/static-entry.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';

export type World = {
  readonly settings: IdentitySettings;
  /** By kind, then by namespace and name. */
  readonly objects: ReadonlyMap<IdentityKind, ReadonlyMap<string, JsonObject>>;
};

export type Answer = {
  /** By pod UID; in plain text, to be compared. */
  readonly decisions: ReadonlyMap<string, string>;
  /** By policy. */
  readonly stats: ReadonlyMap<string, object>;
  readonly failures: ReadonlyMap<string, readonly string[]>;
};

export function deriveFromScratch(world: World, now: number): Answer {
  const namespaces = new Map(
    all(world, 'Namespace').map((raw) => [nameOf(raw), readNamespace(raw)]),
  );
  const nodes = new Map(all(world, 'Node').map((raw) => [nameOf(raw), readNode(raw)]));
  const policies = all(world, 'ClusterSPIFFEID').flatMap((raw) => servedPolicy(world, raw));
  const staticPolicies = fixedPolicies(world);
  const restrictions = all(world, 'IdentityRestriction')
    .map((raw) => parseIdentityRestriction(raw).value)
    .filter((restriction): restriction is IdentityRestriction => restriction !== undefined);
  const { trustDomain, clusterName, clusterDomain } = world.settings;
  const fatesOf = new Map<string, Fate[]>(policies.map(({ name }) => [name, []]));
  const failures = new Map<string, string[]>(policies.map(({ name }) => [name, []]));
  const decisions = new Map<string, string>();
  for (const pod of all(world, 'Pod').map(readPod)) {
    const namespace = namespaces.get(pod.namespace);
    const selecting = policies.filter(
      ({ namespaceSelector, podSelector }) =>
        namespace !== undefined &&
        !isIgnored(world, pod.namespace) &&
        !isNodeOwned(pod) &&
        selects(namespaceSelector, namespace.labels) &&
        selects(podSelector, pod.labels),
    );
    const fixed = namespace === undefined || isNodeOwned(pod) ? [] : staticPolicies;
    const node = nodes.get(pod.nodeName);
    const candidates = [...selecting, ...fixed].map((policy) =>
      makeCandidate(policy, {
        settings: world.settings,
        pod,
        namespaceLabels: namespace?.labels ?? {},
        data: { trustDomain, clusterName, clusterDomain, pod, ...(node && { node }) },
        serviceNames: () => serviceNames(world, pod),
      }),
    );
    candidates.sort((a, b) => comparePreference(a.policy, b.policy));
    const { fates, winners } = settle(candidates);
    for (const [index, { policy }] of candidates.entries()) {
      const fate = fates[index] ?? 'ViewBehind';
      fatesOf.get(policy.name)?.push(fate);
      if (['RenderFailed', 'EntryRefused', 'Undecidable', 'ViewBehind'].includes(fate)) {
        failures.get(policy.name)?.push(`${pod.namespace}/${pod.name}: ${fate}`);
      }
    }
    const identities = toIdentities(winners, (spiffeId) =>
      limitsOf(pod, spiffeId, { restrictions, now }),
    );
    const reason = namespace === undefined ? 'ViewBehind' : refusalOf(fates);
    const withoutAny = winners.length > 0 ? 'Suspended' : isNodeOwned(pod) ? 'NodePod' : reason;
    decisions.set(
      pod.uid,
      plain({ pod, identities, refusal: identities.length > 0 ? '' : withoutAny }),
    );
  }
  const stats = new Map(
    policies.map((policy) => {
      const selected = [...namespaces.values()].filter(({ labels }) =>
        selects(policy.namespaceSelector, labels),
      );
      const fates = fatesOf.get(policy.name) ?? [];
      const count = (...wanted: readonly Fate[]) =>
        fates.filter((fate) => wanted.includes(fate)).length;
      return [
        policy.name,
        {
          namespacesSelected: selected.length,
          namespacesIgnored: selected.filter(({ name }) => isIgnored(world, name)).length,
          podsSelected: fates.length,
          podEntryRenderFailures: count('RenderFailed', 'ViewBehind'),
          entriesMasked: count('Masked'),
          entriesToSet: count('Served', 'SelectorMismatch'),
          entryFailures: count('EntryRefused', 'Undecidable'),
        },
      ];
    }),
  );
  for (const list of failures.values()) list.sort();
  return { decisions, stats, failures };
}

/** A decision as text. */
export function plain(decision: object): string {
  return JSON.stringify(decision, (_, value: unknown) => (value === undefined ? null : value));
}

function servedPolicy({ settings }: World, raw: JsonObject): readonly ClusterSpiffeIdPolicy[] {
  const { value } = parseClusterSpiffeId(raw);
  if (value === undefined) return [];
  const isServed =
    value.className === ''
      ? !settings.ignoreClassless
      : settings.classNames.includes(value.className);
  return isServed ? [value] : [];
}

/** Every static entry that can be decided, with the nodes of the entries that name its parent. */
function fixedPolicies(world: World): readonly Policy[] {
  const { settings } = world;
  const entries = all(world, 'ClusterStaticEntry').flatMap((raw) => {
    const { value } = parseClusterStaticEntry(raw);
    return value !== undefined && servesClass(settings, value.className) ? [value] : [];
  });
  return entries.flatMap((entry) => {
    const aliases = entries
      .filter(({ spiffeId }) => spiffeId === entry.parentId)
      .map((alias) => standingOf(alias, [], settings))
      .flatMap((standing) => (standing.kind === 'alias' && standing.rule ? [standing.rule] : []));
    const standing = standingOf(entry, aliases, settings);
    return standing.kind === 'policy' ? [standing.policy] : [];
  });
}

function isIgnored({ settings }: World, namespace: string): boolean {
  return settings.ignoreNamespaces.some((pattern) => new RegExp(pattern).test(namespace));
}

function serviceNames(world: World, pod: PodObject): readonly string[] {
  const names = new Set<string>();
  for (const slice of all(world, 'EndpointSlice').map(readEndpointSlice)) {
    for (const service of all(world, 'Service').map(readService)) {
      const { namespace, name, selector, uid } = service;
      const isAgreed =
        slice.podUids.includes(pod.uid) &&
        slice.namespace === pod.namespace &&
        namespace === slice.namespace &&
        name === slice.serviceName &&
        uid === slice.ownerUid &&
        selector !== undefined &&
        Object.entries(selector).every(([key, value]) => pod.labels[key] === value);
      if (!isAgreed) continue;
      const full = `${name}.${namespace}.svc`;
      const long = [full, `${full}.${world.settings.clusterDomain}`];
      const short = world.settings.profile === 'strict' ? [] : [name, `${name}.${namespace}`];
      for (const each of [...short, ...long]) names.add(each);
    }
  }
  return [...names].toSorted();
}

function all({ objects }: World, kind: IdentityKind): readonly JsonObject[] {
  return [...(objects.get(kind)?.values() ?? [])];
}

function nameOf(raw: JsonObject): string {
  return textIn(objectIn(raw, 'metadata'), 'name');
}
