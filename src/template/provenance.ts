// Who could have written a value: the answer travels with every value of a template, and a value
// computed from several carries the weakest of theirs.

/**
 * From the hardest to forge to the easiest: the operator's own text, what the API server
 * guarantees, what a pod's author writes, what the node's kubelet can write.
 */
export type Provenance = 'operator' | 'api' | 'author' | 'node';

/** A run of output bytes and who could have forged it. */
export type Run = {
  readonly text: string;
  readonly from: Provenance;
  /** Where the bytes were read, such as `.PodMeta.Labels["app"]`; absent for template text. */
  readonly source?: string;
  /**
   * The weakest input of the conditions and ranges that let this run appear, when that is not the
   * operator's: `{{ if eq .PodMeta.Labels.app "x" }}admin{{ end }}` writes the operator's bytes
   * where the pod's author chose them.
   */
  readonly chosenBy?: Provenance;
};

const RANK: { readonly [from in Provenance]: number } = { operator: 0, api: 1, author: 2, node: 3 };

/** The one that is easier to forge. */
export function weaker(a: Provenance, b: Provenance): Provenance {
  return RANK[b] > RANK[a] ? b : a;
}
