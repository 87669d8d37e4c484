// How a policy fares, counted as pods settle: upstream's statistics, kept up to date one pod at a
// time.

import type { Fate } from './settle.ts';

export class PolicyTally {
  podsSelected = 0;
  podEntryRenderFailures = 0;
  entriesMasked = 0;
  entriesToSet = 0;
  entryFailures = 0;

  /** Adds, or with -1 takes back, one selected pod. */
  count(fate: Fate, by: 1 | -1): void {
    this.podsSelected += by;
    switch (fate) {
      case 'RenderFailed':
      case 'ViewBehind':
        this.podEntryRenderFailures += by;
        return;
      case 'Masked':
        this.entriesMasked += by;
        return;
      case 'EntryRefused':
      case 'Undecidable':
        this.entryFailures += by;
        return;
      // Set for other pods than this one, as upstream sets it and no process ever meets it.
      case 'SelectorMismatch':
      case 'Served':
        this.entriesToSet += by;
        return;
      case 'FallbackUnused':
    }
  }
}

/** `status.stats` of a ClusterSPIFFEID (compatibility A20 to A26). */
export type PolicyStats = {
  readonly namespacesSelected: number;
  readonly namespacesIgnored: number;
  readonly podsSelected: number;
  readonly podEntryRenderFailures: number;
  readonly entriesMasked: number;
  readonly entriesToSet: number;
  readonly entryFailures: number;
};
