// Keeps the bundles of all declared trust domains: each is fetched when it is due, judged, and stored;
// what no object declares any more is removed. One worker a trust domain at a time, told by name of the
// object. Where objects come from and where bundles are stored is somebody else's.

import type { Clock } from '../base/clock.ts';
import { Latest } from '../base/latest.ts';
import { WorkQueue, type WorkResult } from '../base/work-queue.ts';
import type { Bundle } from '../spiffe/bundle/bundle.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { JsonObject } from '../template/json-value.ts';
import type { FetchedBundle, FetchRequest } from './bundle-fetch.ts';
import { BundleIntake, type BundleIntakeOptions } from './bundle-intake.ts';
import { type FetchFailure, failureOf, fetchError } from './fetch-failure.ts';
import {
  type Declared,
  type DeclareOptions,
  declaredIn,
  type Relationship,
} from './relationships.ts';
import { DEFAULT_BOUNDS, type RefreshBounds, untilNextFetch } from './schedule.ts';

export type FederationOptions = DeclareOptions &
  BundleIntakeOptions & {
    readonly fetch: (request: FetchRequest, signal: AbortSignal) => Promise<FetchedBundle>;
    readonly clock: Clock;
    readonly bounds?: RefreshBounds;
    readonly random?: () => number;
    /** Told of a bundle that is refused as a rollback or for a key of ours, or not taken whole. */
    readonly onAlarm?: (relationship: Relationship, reason: FetchFailure, words: string) => void;
  };

/** How the fetching of one trust domain goes. Times in milliseconds since the epoch. */
export type Refresh = {
  readonly lastAt?: number;
  readonly nextAt: number;
  /** In a row. */
  readonly failures: number;
  readonly failure?: { readonly reason: FetchFailure; readonly words: string };
  /** Of a bundle that was taken, and not whole. */
  readonly remark?: { readonly reason: FetchFailure; readonly words: string };
};

type Watched = { readonly key: string; refresh: Refresh };

const CONCURRENCY = 8;
const RETRY = { initialMs: 1000, maxMs: 60_000 } as const;
/** No name of an object. */
const CLEAN = '';
const ALARMS: ReadonlySet<FetchFailure> = new Set(['SequenceWentBack', 'KeyOfAnother']);

export class Federation {
  /** Set when something is to be said anew of an object. */
  readonly changed = new Latest<true>();
  readonly intake: BundleIntake;
  readonly #options: FederationOptions;
  readonly #queue: WorkQueue;
  readonly #watched = new Map<string, Watched>();
  #declared: ReadonlyMap<string, Declared> = new Map();
  #stop: AbortSignal = AbortSignal.abort();

  constructor(options: FederationOptions) {
    this.#options = options;
    this.intake = new BundleIntake(options, (trustDomain) => this.#declaredBundle(trustDomain));
    const { clock, log } = options;
    this.#queue = new WorkQueue({
      clock,
      concurrency: CONCURRENCY,
      backoff: RETRY,
      onError: (name, err, attempt) =>
        log.warn({ path: name, err, attempt }, 'Failed to keep a federated trust domain'),
    });
  }

  /** What each object comes to, by name. */
  get declared(): ReadonlyMap<string, Declared> {
    return this.#declared;
  }

  refreshOf(name: string): Refresh | undefined {
    return this.#watched.get(name)?.refresh;
  }

  /** The complete set of objects, of all classes; never a part of it, for what is missing goes. */
  set(objects: Iterable<JsonObject>): void {
    const before = this.#declared;
    this.#declared = declaredIn(objects, this.#options);
    for (const name of new Set([...before.keys(), ...this.#declared.keys()])) {
      if (wordOf(before.get(name)) !== wordOf(this.#declared.get(name))) this.#queue.add(name);
    }
    // Also when nothing is declared: what is stored may be left over from before.
    this.#queue.add(CLEAN);
    this.changed.set(true);
  }

  /** Keeps until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    this.#stop = signal;
    await this.#queue.run(async (name) => await this.#work(name), signal);
  }

  async #work(name: string): Promise<WorkResult> {
    // Before anything is judged by what is stored.
    const { store, clock } = this.#options;
    if (store.current.value === undefined) await store.load();
    if (name === CLEAN) {
      await this.#clean();
      return undefined;
    }
    const relationship = this.#relationshipOf(name);
    if (relationship === undefined) {
      this.#watched.delete(name);
      return undefined;
    }
    const watched = this.#watch(relationship);
    if (clock.now() >= watched.refresh.nextAt) {
      watched.refresh = await this.#refresh(relationship, watched.refresh);
    } else await this.intake.begin(relationship);
    this.changed.set(true);
    return { requeueMs: Math.max(0, watched.refresh.nextAt - clock.now()) };
  }

  #declaredBundle(wanted: TrustDomain): Bundle | undefined {
    for (const declared of this.#declared.values()) {
      if (declared.kind !== 'relationship') continue;
      const { trustDomain, bootstrap } = declared.relationship;
      if (trustDomain === wanted) return bootstrap;
    }
    return undefined;
  }

  #relationshipOf(name: string): Relationship | undefined {
    const declared = this.#declared.get(name);
    return declared?.kind === 'relationship' ? declared.relationship : undefined;
  }

  /** An object that says something else is fetched for at once. */
  #watch(relationship: Relationship): Watched {
    const key = fetchKeyOf(relationship);
    const known = this.#watched.get(relationship.name);
    if (known?.key === key) return known;
    const watched = { key, refresh: { nextAt: 0, failures: 0 } };
    this.#watched.set(relationship.name, watched);
    return watched;
  }

  async #refresh(relationship: Relationship, before: Refresh): Promise<Refresh> {
    const { clock, log, fetch, onAlarm } = this.#options;
    const { trustDomain, url, name } = relationship;
    const isWanted = (): boolean => {
      const now = this.#relationshipOf(name);
      return now !== undefined && fetchKeyOf(now) === fetchKeyOf(relationship);
    };
    try {
      await this.intake.begin(relationship);
      const trust = this.intake.trustFor(relationship);
      const fetched = await fetch({ url, trustDomain, trust }, this.#stop);
      const lost = await this.intake.take(relationship, fetched, isWanted);
      const taken = { lastAt: clock.now(), nextAt: this.#nextAt(trustDomain, 0), failures: 0 };
      if (!lost.some(({ by }) => by === trustDomain)) return taken;
      const remark = failureOf(fetchError('KeyContested', ''));
      onAlarm?.(relationship, remark.reason, remark.words);
      return { ...taken, remark };
    } catch (thrown) {
      const failure = failureOf(thrown);
      const { reason, words } = failure;
      const failures = before.failures + 1;
      if (!this.#stop.aborted) {
        const fields = { trustDomain, path: url, reason, err: thrown, attempt: failures };
        log.warn(fields, 'Failed to refresh the bundle of a federated trust domain');
        if (ALARMS.has(reason)) onAlarm?.(relationship, reason, words);
      }
      return { ...before, nextAt: this.#nextAt(trustDomain, failures), failures, failure };
    }
  }

  #nextAt(trustDomain: TrustDomain, failures: number): number {
    const { clock, bounds = DEFAULT_BOUNDS, random = Math.random } = this.#options;
    const { bundle, isFetched = false } = this.intake.storedOf(trustDomain) ?? {};
    const refreshHintSeconds = bundle?.refreshHintSeconds;
    return (
      clock.now() + untilNextFetch({ refreshHintSeconds, failures, isFetched, bounds, random })
    );
  }

  /** Removes what nobody declares. An object that is there and cannot be read takes nothing away. */
  async #clean(): Promise<void> {
    const { store, log } = this.#options;
    const gone: TrustDomain[] = [];
    // As one change: it comes after whatever is being stored.
    await store.change((bundles) => {
      const kept = new Set<TrustDomain>();
      const unread = new Set<string>();
      for (const declared of this.#declared.values()) {
        if (declared.kind === 'relationship') kept.add(declared.relationship.trustDomain);
        if (declared.kind === 'refused' && declared.reason === 'Invalid') unread.add(declared.uid);
      }
      gone.length = 0;
      const left = [...bundles].filter(([trustDomain, { uid }]) => {
        const stays = kept.has(trustDomain) || unread.has(uid);
        if (!stays) gone.push(trustDomain);
        return stays;
      });
      return new Map(left);
    });
    for (const trustDomain of gone) {
      log.info(
        { trustDomain },
        'Removed the bundle of a trust domain that nobody declares any more',
      );
    }
  }
}

/** What decides how and whether a bundle is fetched: another one is an edit. */
function fetchKeyOf({ uid, url, profile, bootstrapDigest, trustDomain }: Relationship): string {
  return JSON.stringify([uid, trustDomain, url, profile, bootstrapDigest]);
}

function wordOf(declared: Declared | undefined): string {
  if (declared?.kind !== 'relationship') return JSON.stringify(declared ?? null);
  const { name, labels } = declared.relationship;
  return JSON.stringify([name, labels, fetchKeyOf(declared.relationship)]);
}
