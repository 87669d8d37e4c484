// How a policy fares, counted as pods settle: upstream's statistics, kept up to date one pod at a
// time.

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
export function countFate(tally: PolicyTally, fate: Fate, by: 1 | -1): void {
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
