// All identities of a cluster as one process sees them: takes raw objects as they come and go, and
// answers what a pod gets and how a policy fares. Objects that do not parse are kept apart with the
// reason, and serve nobody.

import { CodedError } from '../base/errors.ts';
import { parseClusterSpiffeId } from '../crds/cluster-spiffe-id-policy.ts';
import { parseClusterStaticEntry } from '../crds/cluster-static-entry.ts';
import { parseIdentityRestriction } from '../crds/identity-restriction-policy.ts';
import type { ParseResult } from '../crds/parse-result.ts';
import type { JsonObject } from '../template/json-value.ts';
import { IdentityIndex } from './identity-index.ts';
import {
  objectIn,
  readEndpointSlice,
  readNamespace,
  readNode,
  readPod,
  readService,
  textIn,
} from './objects.ts';
import { type PodDecision, type RefusalReason, toIdentities } from './pod-identity.ts';
import { Restrictions } from './restrictions.ts';
import { type IdentitySettings, servesClass } from './settings.ts';
import { StaticEntries } from './static-entries.ts';
import { type Standing, staticPolicyName } from './static-entry.ts';

/** The kinds that identities depend on. */
export const IDENTITY_KINDS = [
  'Pod',
  'Namespace',
  'Node',
  'Service',
  'EndpointSlice',
  'ClusterSPIFFEID',
  'ClusterStaticEntry',
  'IdentityRestriction',
] as const;
export type IdentityKind = (typeof IDENTITY_KINDS)[number];

/** An object that is now so, or, without one, gone. */
export type ObjectChange = {
  readonly kind: IdentityKind;
  /** '' for kinds without a namespace. */
  readonly namespace: string;
  readonly name: string;
  readonly object: JsonObject | undefined;
};

/** A policy that is not in the index, and why. */
export type PolicyAside = {
  readonly name: string;
  readonly reason: 'ClassNotServed' | 'Invalid' | AsideReason;
  readonly message: string;
  readonly generation: number;
};

/** Why a static entry serves no pod at all. */
export type AsideReason = 'EntryRefused' | 'Unsupported' | 'NoNode' | 'NodeAlias';

export class IdentityView {
  readonly index: IdentityIndex;
  readonly staticEntries: StaticEntries;
  readonly restrictions = new Restrictions();
  readonly #settings: IdentitySettings;
  readonly #podUids = new Map<string, string>();
  readonly #aside = new Map<string, PolicyAside>();
  #restrictionsSeenAt = 0;

  constructor(settings: IdentitySettings) {
    this.#settings = settings;
    this.index = new IdentityIndex(settings);
    this.staticEntries = new StaticEntries(settings);
  }

  /** Policies that serve nobody: of a class that is not ours, or broken. */
  get aside(): ReadonlyMap<string, PolicyAside> {
    return this.#aside;
  }

  /** Takes in one change; returns what is wrong with the object, if anything. */
  apply({ kind, namespace, name, object }: ObjectChange): readonly string[] {
    try {
      switch (kind) {
        case 'Pod':
          this.#applyPod(`${namespace}/${name}`, object);
          return [];
        case 'Namespace':
          this.index.setNamespace(name, object && readNamespace(object));
          return [];
        case 'Node':
          this.index.setNode(name, object && readNode(object));
          return [];
        case 'Service':
          this.index.setService(namespace, name, object && readService(object));
          return [];
        case 'EndpointSlice':
          this.index.setEndpointSlice(namespace, name, object && readEndpointSlice(object));
          return [];
        case 'ClusterSPIFFEID':
          return this.#applyPolicy(name, object);
        case 'ClusterStaticEntry':
          return this.#applyStaticEntry(name, object);
        case 'IdentityRestriction':
          return this.#applyRestriction(name, object);
      }
    } catch (thrown) {
      const error = CodedError.from(thrown);
      if (error.code !== 'invalid-argument') throw thrown;
      return [error.message];
    }
  }

  podUid(namespace: string, name: string): string | undefined {
    return this.#podUids.get(`${namespace}/${name}`);
  }

  /** What a pod gets at a time; undefined for a pod that is not known. */
  decision(uid: string, now: number): PodDecision | undefined {
    const pod = this.index.pod(uid);
    if (pod === undefined) return undefined;
    const { object, winners } = pod;
    const identities = toIdentities(winners, (identity) =>
      this.restrictions.limitsOf(object, identity, now),
    );
    const isSuspended = winners.length > 0 && identities.length === 0;
    const refusal: RefusalReason | '' = isSuspended ? 'Suspended' : pod.refusal;
    return { pod: object, identities, refusal: identities.length > 0 ? '' : refusal };
  }

  /**
   * The pods that changed since the last call, those included that a restriction whose time is over
   * gave something back to.
   */
  takeChanged(now: number): ReadonlySet<string> {
    for (const ended of this.restrictions.endedBetween(this.#restrictionsSeenAt, now)) {
      this.#markConcerned(this.restrictions.set(ended.name, ended));
    }
    this.#restrictionsSeenAt = now;
    return this.index.takeChanged();
  }

  #applyPod(key: string, object: JsonObject | undefined): void {
    const known = this.#podUids.get(key);
    const pod = object && readPod(object);
    // A successor of the same name is another pod.
    if (known !== undefined && known !== pod?.uid) this.index.deletePod(known);
    if (pod === undefined) this.#podUids.delete(key);
    else {
      this.#podUids.set(key, pod.uid);
      this.index.setPod(pod);
    }
  }

  #applyPolicy(name: string, object: JsonObject | undefined): readonly string[] {
    const { claimNames } = this.#settings;
    const { value, aside } = this.#read(name, object, (stored) =>
      parseClusterSpiffeId(stored, claimNames),
    );
    this.#setAside(name, aside);
    this.index.setPolicy(name, value);
    return aside?.reason === 'Invalid' ? [aside.message] : [];
  }

  #applyStaticEntry(name: string, object: JsonObject | undefined): readonly string[] {
    const policyName = staticPolicyName(name);
    const { value, aside } = this.#read(policyName, object, parseClusterStaticEntry);
    for (const each of this.staticEntries.set(name, value)) {
      const known = this.staticEntries.get(each);
      const standing = known?.standing;
      const generation = known?.entry.generation ?? 0;
      this.#setAside(
        staticPolicyName(each),
        each === name && aside !== undefined ? aside : asideOf(each, standing, generation),
      );
      const policy = standing?.kind === 'policy' ? standing.policy : undefined;
      this.index.setPolicy(staticPolicyName(each), policy);
    }
    return aside?.reason === 'Invalid' ? [aside.message] : [];
  }

  #setAside(name: string, aside: PolicyAside | undefined): void {
    if (aside === undefined) this.#aside.delete(name);
    else this.#aside.set(name, aside);
  }

  #read<T>(
    name: string,
    object: JsonObject | undefined,
    parse: (object: JsonObject) => ParseResult<T>,
  ): { value: T | undefined; aside?: PolicyAside } {
    if (object === undefined) return { value: undefined };
    const className = textIn(objectIn(object, 'spec'), 'className');
    const generation = Number(objectIn(object, 'metadata')['generation'] ?? 0);
    // Another class is somebody else's: not even its mistakes are ours to report.
    if (!servesClass(this.#settings, className)) {
      const message = className === '' ? 'has no class' : `is of class "${className}"`;
      return { value: undefined, aside: { name, reason: 'ClassNotServed', message, generation } };
    }
    const { value, errors } = parse(object);
    if (value !== undefined) return { value };
    return { value, aside: { name, reason: 'Invalid', message: errors.join('; '), generation } };
  }

  #applyRestriction(name: string, object: JsonObject | undefined): readonly string[] {
    const parsed = object && parseIdentityRestriction(object);
    if (parsed !== undefined && parsed.value === undefined) return parsed.errors;
    this.#markConcerned(this.restrictions.set(name, parsed?.value));
    return [];
  }

  #markConcerned(isConcerned: (pod: PodDecision['pod']) => boolean): void {
    for (const pod of this.index.pods.all) {
      if (isConcerned(pod.object)) this.index.markChanged(pod.object.uid);
    }
  }
}

function asideOf(
  name: string,
  standing: Standing | undefined,
  generation: number,
): PolicyAside | undefined {
  if (standing === undefined || standing.kind === 'policy') return undefined;
  const { reason, message } =
    standing.kind === 'none' ? standing : { reason: 'NodeAlias' as const, message: 'names nodes' };
  return { name: staticPolicyName(name), reason, message, generation };
}

/** What identifies an object in a change. */
export function keyOf(object: JsonObject): { namespace: string; name: string } {
  const metadata = objectIn(object, 'metadata');
  return { namespace: textIn(metadata, 'namespace'), name: textIn(metadata, 'name') };
}

export function isIdentityKind(kind: string): kind is IdentityKind {
  return (IDENTITY_KINDS as readonly string[]).includes(kind);
}
