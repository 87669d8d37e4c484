// How a policy fares, counted as pods settle: upstream's statistics, kept up to date one pod at a
// time.

import type { Candidate } from './candidate.ts';
import type { Fate } from './settle.ts';

/** The counts of `status.stats` that follow from pods (compatibility A22 to A26). */
export type PolicyTally = {
  podsSelected: number;
  podEntryRenderFailures: number;
  entriesMasked: number;
  entriesToSet: number;
  entryFailures: number;
};

/** `status.stats` of a ClusterSPIFFEID (compatibility A20 to A26). */
export type PolicyStats = Readonly<PolicyTally> & {
  readonly namespacesSelected: number;
  readonly namespacesIgnored: number;
};

/** What became of a pod's candidates, in their order. */
export type Outcome = {
  readonly candidates: readonly Candidate[];
  readonly fates: readonly Fate[];
};

export const NO_OUTCOME: Outcome = { candidates: [], fates: [] };

export class PolicyTallies {
  /** By policy name, where there is anything to count. */
  readonly #tallies = new Map<string, PolicyTally>();

  of(policy: string): PolicyTally {
    return this.#tallies.get(policy) ?? newTally();
  }

  /** Replaces what a pod counted for; most of it is what it was. */
  recount(before: Outcome, after: Outcome): void {
    const length = Math.max(before.fates.length, after.fates.length);
    for (let at = 0; at < length; at += 1) {
      const was = before.fates[at];
      const is = after.fates[at];
      if (was === is && before.candidates[at] === after.candidates[at]) continue;
      const policyBefore = before.candidates[at]?.policy.name;
      const policyAfter = after.candidates[at]?.policy.name;
      if (was === is && policyBefore === policyAfter) continue;
      if (was !== undefined && policyBefore !== undefined) this.#count(policyBefore, was, -1);
      if (is !== undefined && policyAfter !== undefined) this.#count(policyAfter, is, 1);
    }
  }

  #count(policy: string, fate: Fate, by: 1 | -1): void {
    let tally = this.#tallies.get(policy);
    if (tally === undefined) {
      tally = newTally();
      this.#tallies.set(policy, tally);
    }
    countFate(tally, fate, by);
    if (tally.podsSelected === 0) this.#tallies.delete(policy);
  }
}

export function newTally(): PolicyTally {
  return {
    podsSelected: 0,
    podEntryRenderFailures: 0,
    entriesMasked: 0,
    entriesToSet: 0,
    entryFailures: 0,
  };
}

/** Adds, or with -1 takes back, one selected pod. */
function countFate(tally: PolicyTally, fate: Fate, by: 1 | -1): void {
  tally.podsSelected += by;
  switch (fate) {
    case 'RenderFailed':
    case 'ViewBehind':
      tally.podEntryRenderFailures += by;
      return;
    case 'Masked':
      tally.entriesMasked += by;
      return;
    case 'EntryRefused':
    case 'Undecidable':
      tally.entryFailures += by;
      return;
    // Set for other pods than this one, as upstream sets it and no process ever meets it.
    case 'SelectorMismatch':
    case 'Served':
      tally.entriesToSet += by;
      return;
    case 'FallbackUnused':
  }
}
