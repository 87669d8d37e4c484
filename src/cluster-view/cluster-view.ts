// The cluster as one process sees it: one reflector a kind, all into one identity view. Policies come
// first, because they say what has to be kept of everything else.

import { aborted } from '../base/aborted.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { IdentityKind, ObjectChange } from '../identity/identity-view.ts';
import type { IdentitySettings } from '../identity/settings.ts';
import type { KubeClient } from '../kube/kube-client.ts';
import { versionOf, withoutManagedFields } from '../kube/object-key.ts';
import { PodProjection } from '../kube/watch/pod-projection.ts';
import { type KubeBatch, Reflector } from '../kube/watch/reflector.ts';
import { PolicyGate } from './policy-gate.ts';
import type { PolicyNeeds } from './policy-needs.ts';

export type ClusterViewOptions = {
  readonly client: KubeClient;
  readonly settings: IdentitySettings;
  readonly driverName: string;
  /** Takes in a batch, in the order of what depends on what. */
  readonly apply: (changes: readonly ObjectChange[], version: bigint) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly idleMs?: number;
};

export const COLLECTIONS: Readonly<Record<IdentityKind, string>> = {
  Pod: '/api/v1/pods',
  Namespace: '/api/v1/namespaces',
  Node: '/api/v1/nodes',
  Service: '/api/v1/services',
  EndpointSlice: '/apis/discovery.k8s.io/v1/endpointslices',
  ClusterSPIFFEID: '/apis/spire.spiffe.io/v1alpha1/clusterspiffeids',
  ClusterStaticEntry: '/apis/spire.spiffe.io/v1alpha1/clusterstaticentries',
  IdentityRestriction: '/apis/signet.dev/v1alpha1/identityrestrictions',
};

/** Followed from the start; pods once policies have said what is needed of them. */
const POLICIES = ['ClusterSPIFFEID', 'ClusterStaticEntry'] as const;
const FIRST = [...POLICIES, 'IdentityRestriction', 'Namespace'] as const;

export class ClusterView {
  readonly #options: ClusterViewOptions;
  readonly #gate: PolicyGate;
  readonly #reflectors = new Map<IdentityKind, Reflector>();
  readonly #failed = Promise.withResolvers<never>();
  readonly #parts: Promise<void>[] = [];
  #projection: PodProjection;
  /** Whether all pods in the view are kept by the projection of now. */
  #areWhole = false;
  #signal: AbortSignal | undefined;
  #isReady = false;
  #restrictionVersion = 0n;

  constructor(options: ClusterViewOptions) {
    this.#options = options;
    this.#gate = new PolicyGate(options.settings);
    this.#projection = new PodProjection(this.#gate.podNeeds, options.driverName);
  }

  /** Whether everything was seen at least once that policies of then and now depend on. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** When the slowest kind was last known to be up to date. */
  get progressAt(): number {
    if (!this.#isReady) return Number.NEGATIVE_INFINITY;
    const synced = [...this.#reflectors.values()].filter(({ isSynced }) => isSynced);
    return Math.min(...synced.map(({ progressAt }) => progressAt));
  }

  /** Of the newest restriction that was seen. */
  get restrictionVersion(): bigint {
    return this.#restrictionVersion;
  }

  get restrictionsKnownTo(): bigint {
    return this.#reflectors.get('IdentityRestriction')?.version ?? 0n;
  }

  /** Policies that wait until more is known of pods. */
  get widening(): readonly string[] {
    return this.#gate.waiting;
  }

  /** Follows the cluster until aborted; rejects when the view cannot take in what it is given. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    for (const kind of FIRST) this.#follow(kind);
    await Promise.race([aborted(signal), this.#failed.promise]);
    await Promise.allSettled(this.#parts);
  }

  #follow(kind: IdentityKind): void {
    const { client, clock, log, idleMs } = this.#options;
    const signal = this.#signal;
    if (signal === undefined || this.#reflectors.has(kind)) return;
    const reflector = new Reflector({
      client,
      path: COLLECTIONS[kind],
      projection: () => (kind === 'Pod' ? this.#projection.project : withoutManagedFields),
      deliver: (batch) => this.#deliver(kind, batch),
      clock,
      log,
      ...(idleMs === undefined ? {} : { idleMs }),
    });
    this.#reflectors.set(kind, reflector);
    const part = reflector.run(signal);
    this.#parts.push(part);
    part.catch((thrown: unknown) => this.#failed.reject(thrown));
  }

  #deliver(kind: IdentityKind, batch: KubeBatch): void {
    const changes = batch.changes.map((change): ObjectChange => ({ kind, ...change }));
    const passing: ObjectChange[] = [];
    if (isPolicyKind(kind)) for (const change of changes) this.#gate.take(change);
    else passing.push(...changes);
    if (kind === 'IdentityRestriction') this.#noteRestrictions(changes);
    const synced = (other: IdentityKind) =>
      (other === kind && batch.isComplete) || this.#reflectors.get(other)?.isSynced === true;
    // A complete set of pods is always by the projection of now.
    if (kind === 'Pod' && batch.isComplete) this.#areWhole = true;
    if (POLICIES.every(synced)) {
      this.#lookFurther();
      passing.push(...this.#gate.release((needs) => this.#isMet(needs, synced)));
    }
    this.#options.apply(passing, batch.version);
    const base = [...FIRST, 'Pod'] as const;
    this.#isReady ||= base.every(synced) && this.#gate.waiting.length === 0;
  }

  /** Starts to see what policies need, pods that are kept more of included. */
  #lookFurther(): void {
    for (const kind of this.#gate.kinds) this.#follow(kind);
    const needs = this.#gate.podNeeds;
    if (!this.#projection.covers(needs)) {
      this.#projection = new PodProjection(needs, this.#options.driverName);
      this.#areWhole = false;
      this.#reflectors.get('Pod')?.relist();
    }
    this.#follow('Pod');
  }

  #isMet(needs: PolicyNeeds, synced: (kind: IdentityKind) => boolean): boolean {
    return (
      synced('Pod') &&
      this.#areWhole &&
      this.#projection.covers(needs.pod) &&
      needs.kinds.every(synced)
    );
  }

  #noteRestrictions(changes: readonly ObjectChange[]): void {
    for (const { object } of changes) {
      const version = object === undefined ? 0n : versionOf(object);
      if (version > this.#restrictionVersion) this.#restrictionVersion = version;
    }
  }
}

function isPolicyKind(kind: IdentityKind): boolean {
  return kind === 'ClusterSPIFFEID' || kind === 'ClusterStaticEntry';
}
