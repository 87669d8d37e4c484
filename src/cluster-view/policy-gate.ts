// Policies on their way into the view. One that needs to see more than is kept waits until all pods
// are known that well: rendered before that, it would give other identities than it says.

import type { ObjectChange } from '../identity/identity-view.ts';
import type { IdentitySettings } from '../identity/settings.ts';
import { staticPolicyName } from '../identity/static-entry.ts';
import { type PodNeeds, unionOf } from '../kube/watch/pod-projection.ts';
import { needsOf, type OnDemandKind, type PolicyNeeds } from './policy-needs.ts';

export class PolicyGate {
  readonly #settings: IdentitySettings;
  readonly #needs = new Map<string, PolicyNeeds>();
  readonly #held = new Map<string, ObjectChange>();

  constructor(settings: IdentitySettings) {
    this.#settings = settings;
  }

  /** Names of policies that wait; what came before them stays in force. */
  get waiting(): readonly string[] {
    return [...this.#held.keys()];
  }

  /** What all policies need of pods, those that wait included. */
  get podNeeds(): PodNeeds {
    return unionOf([...this.#needs.values()].map(({ pod }) => pod));
  }

  get kinds(): ReadonlySet<OnDemandKind> {
    return new Set([...this.#needs.values()].flatMap(({ kinds }) => kinds));
  }

  /** Takes in a change; a policy that is gone waits for nothing. */
  take(change: ObjectChange): void {
    const name = nameOf(change);
    if (change.object === undefined) this.#needs.delete(name);
    else this.#needs.set(name, needsOf(change.kind, change.object, this.#settings));
    this.#held.set(name, change);
  }

  /** What may pass now, in the order in which it came. */
  release(isMet: (needs: PolicyNeeds) => boolean): readonly ObjectChange[] {
    const passing = [...this.#held.values()].filter((change) => {
      const needs = this.#needs.get(nameOf(change));
      return needs === undefined || isMet(needs);
    });
    for (const change of passing) this.#held.delete(nameOf(change));
    return passing;
  }
}

function nameOf({ kind, name }: ObjectChange): string {
  return kind === 'ClusterStaticEntry' ? staticPolicyName(name) : name;
}
