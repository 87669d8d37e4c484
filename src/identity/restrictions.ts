// The IdentityRestrictions in force. An edit that does not parse keeps the last one that did: a
// restriction ends when it is deleted or its time is over, never by a mistake.

import type { IdentityRestriction } from '../crds/identity-restriction-policy.ts';
import type { PodObject } from './objects.ts';
import {
  isInForce,
  type Limits,
  limitsOf,
  matchesPod,
  type RestrictedIdentity,
} from './restrict.ts';

export class Restrictions {
  readonly #byName = new Map<string, IdentityRestriction>();
  #version = 0n;

  /** Rises with every change. */
  get version(): bigint {
    return this.#version;
  }

  get(name: string): IdentityRestriction | undefined {
    return this.#byName.get(name);
  }

  get all(): Iterable<IdentityRestriction> {
    return this.#byName.values();
  }

  /** Sets or, with undefined, removes one; returns what tells which pods it is about. */
  set(name: string, restriction: IdentityRestriction | undefined): (pod: PodObject) => boolean {
    const before = this.#byName.get(name);
    if (restriction === undefined) this.#byName.delete(name);
    else this.#byName.set(name, restriction);
    this.#version += 1n;
    const concerned = [before, restriction].filter((each) => each !== undefined);
    return (pod) => concerned.some((each) => matchesPod(each, pod));
  }

  limitsOf(pod: PodObject, identity: RestrictedIdentity, now: number): Limits {
    return limitsOf(pod, identity, { restrictions: this.#byName.values(), now });
  }

  /** When the next one ends by itself; undefined when none does. */
  nextEnd(now: number): number | undefined {
    const ends = [...this.all].filter((each) => isInForce(each, now)).map(({ until }) => until);
    const known = ends.filter((until) => until !== undefined);
    return known.length === 0 ? undefined : Math.min(...known);
  }

  /** Those whose time ran out between two moments. */
  endedBetween(from: number, to: number): readonly IdentityRestriction[] {
    return [...this.all].filter((each) => isInForce(each, from) && !isInForce(each, to));
  }
}
