// The status of what the view holds: policies and restrictions. Always made anew from what is known
// now, so nothing that was missed stays wrong.

import type { RevokedCertificate } from '../authorities/revocation-document.ts';
import type { Latest } from '../base/latest.ts';
import { COLLECTIONS } from '../cluster-view/cluster-view.ts';
import { type Condition, setCondition } from '../crds/conditions.ts';
import { parseIdentityRestriction } from '../crds/identity-restriction-policy.ts';
import { policyStatus } from '../identity/policy-status.ts';
import { isInForce } from '../identity/restrict.ts';
import { staticEntryStatus } from '../identity/static-entry-status.ts';
import type { JsonObject } from '../template/json-value.ts';
import type { ControllerContext } from './controller-context.ts';
import { revokedStatus } from './revoked-certificates.ts';
import type { StatusSink } from './status-sink.ts';
import {
  conditionsIn,
  generationOf,
  type StatusKind,
  storedStatusOf,
  targetOf,
} from './status-target.ts';

export const POLICY: StatusKind = {
  apiVersion: 'spire.spiffe.io/v1alpha1',
  kind: 'ClusterSPIFFEID',
  collection: COLLECTIONS.ClusterSPIFFEID,
};
const STATIC_ENTRY: StatusKind = {
  apiVersion: 'spire.spiffe.io/v1alpha1',
  kind: 'ClusterStaticEntry',
  collection: COLLECTIONS.ClusterStaticEntry,
};
export const RESTRICTION: StatusKind = {
  apiVersion: 'signet.dev/v1alpha1',
  kind: 'IdentityRestriction',
  collection: COLLECTIONS.IdentityRestriction,
};

export type StatusesOptions = {
  readonly context: ControllerContext;
  readonly sink: StatusSink;
  /** Whether statuses that upstream has too are somebody else's to write. */
  readonly isForeign: (path: string) => boolean;
  /** What is on the revocation lists. */
  readonly revoked: Latest<readonly RevokedCertificate[]>;
  /** Told of every status of a policy, before it is written. */
  readonly onPolicy: (object: JsonObject, conditions: readonly Condition[]) => void;
};

/** A change is seen soon; a storm of changes costs one look a second. */
const PASS_EVERY_MS = 1000;
const POLICY_CONDITIONS = ['Ready', 'TemplatesValid', 'NamespaceBound', 'Restricted'] as const;
const IN_EFFECT = 'InEffect';

export class Statuses {
  readonly #options: StatusesOptions;
  readonly #known = new Set<string>();

  constructor(options: StatusesOptions) {
    this.#options = options;
  }

  /** Looks with every change until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#followState(signal), this.#followLists(signal)]);
  }

  async #followLists(signal: AbortSignal): Promise<void> {
    const { state } = this.#options.context;
    for await (const _ of this.#options.revoked.watch(signal)) {
      const seen = new Set<string>();
      if (!state.isFresh) continue;
      for (const object of state.restrictions.values()) this.#restriction(object, seen);
    }
  }

  async #followState(signal: AbortSignal): Promise<void> {
    const { state, clock } = this.#options.context;
    for await (const _ of state.changed.watch(signal)) {
      // What is not known whole would be written down as if it were.
      if (state.isFresh) await this.#pass(signal);
      await clock.sleep(PASS_EVERY_MS, signal);
    }
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const { state } = this.#options.context;
    const seen = new Set<string>();
    for (const object of state.policies.values()) {
      if (signal.aborted) return;
      this.#policy(object, seen);
      // Each may look at all pods.
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
    }
    for (const object of state.staticEntries.values()) this.#staticEntry(object, seen);
    for (const object of state.restrictions.values()) this.#restriction(object, seen);
    for (const path of this.#known) if (!seen.has(path)) this.#forget(path);
  }

  #policy(object: JsonObject, seen: Set<string>): void {
    const { context, sink, isForeign, onPolicy } = this.#options;
    const target = targetOf(POLICY, object);
    const previous = conditionsIn(object, POLICY_CONDITIONS);
    const now = context.clock.now();
    const status = policyStatus(context.state.identities, target.name, { previous, now });
    // Of a class that is not ours, or one that waits until more is known.
    if (status === undefined) return;
    onPolicy(object, status.conditions);
    if (isForeign(target.path)) return;
    this.#known.add(target.path);
    seen.add(target.path);
    sink.set(target, { ...status } as unknown as JsonObject, storedStatusOf(object));
  }

  #staticEntry(object: JsonObject, seen: Set<string>): void {
    const { context, sink, isForeign } = this.#options;
    const target = targetOf(STATIC_ENTRY, object);
    const previous = conditionsIn(object, ['Ready']);
    const now = context.clock.now();
    const status = staticEntryStatus(context.state.identities, target.name, { previous, now });
    if (status === undefined || isForeign(target.path)) return;
    this.#known.add(target.path);
    seen.add(target.path);
    sink.set(target, { ...status } as unknown as JsonObject, storedStatusOf(object));
  }

  #restriction(object: JsonObject, seen: Set<string>): void {
    const { context, sink } = this.#options;
    const target = targetOf(RESTRICTION, object);
    const now = context.clock.now();
    const observedGeneration = generationOf(object);
    const fact = this.#effectOf(object, target.name);
    const previous = conditionsIn(object, [IN_EFFECT]);
    const conditions = setCondition(
      previous,
      { type: IN_EFFECT, observedGeneration, ...fact },
      now,
    );
    this.#known.add(target.path);
    seen.add(target.path);
    const lists = this.#options.revoked.value;
    const revoked = lists === undefined ? {} : { revoked: revokedStatus(target.name, lists) };
    const status = { conditions, observedGeneration, ...revoked } as unknown as JsonObject;
    sink.set(target, status, storedStatusOf(object));
  }

  #effectOf(object: JsonObject, name: string): Pick<Condition, 'status' | 'reason' | 'message'> {
    const { state, clock } = this.#options.context;
    const { value, errors } = parseIdentityRestriction(object);
    // An edit that does not parse leaves the last one that did in force.
    const held = state.identities.restrictions.get(name);
    const isEffective = held !== undefined && isInForce(held, clock.now());
    if (value === undefined) {
      const message = `${isEffective ? 'an earlier version is in force: ' : ''}${errors.join('; ')}`;
      return { status: isEffective ? 'True' : 'False', reason: 'Invalid', message };
    }
    if (isEffective) return { status: 'True', reason: 'InForce', message: '' };
    return { status: 'False', reason: 'Ended', message: 'spec.until is over' };
  }

  #forget(path: string): void {
    this.#known.delete(path);
    this.#options.sink.forget(path);
  }
}
