// Where a value comes from: its provenance, the place it was read, and who chose that it is used.

import { type Provenance, weaker } from '../provenance.ts';

/** A place in the data, as a linked path so that reading a value builds no string. */
export type Source = {
  readonly parent: Source | undefined;
  /** A Go field, written with its dot; or an index or map key. */
  readonly step: string | number;
  readonly isField: boolean;
};

export type Origin = {
  readonly from: Provenance;
  readonly source: Source | undefined;
  readonly chosenBy: Provenance;
};

/** The template's own text. */
export const OPERATOR: Origin = { from: 'operator', source: undefined, chosenBy: 'operator' };

/** The origin of a value computed from two: the weaker of both, and where that one was read. */
export function combine(a: Origin, b: Origin): Origin {
  if (b === OPERATOR) return a;
  if (a === OPERATOR) return b;
  const from = weaker(a.from, b.from);
  const chosenBy = weaker(a.chosenBy, b.chosenBy);
  const source = (from === a.from ? a.source : b.source) ?? a.source ?? b.source;
  return { from, source, chosenBy };
}

/** The same value, its use decided by something as forgeable as `chooser`. */
export function chosen(origin: Origin, chooser: Provenance): Origin {
  const chosenBy = weaker(origin.chosenBy, chooser);
  return chosenBy === origin.chosenBy ? origin : { ...origin, chosenBy };
}

/** How forgeable a decision is that looks at a value of this origin. */
export function decisionOf(origin: Origin): Provenance {
  return weaker(origin.from, origin.chosenBy);
}

export function formatSource(source: Source): string {
  const steps: string[] = [];
  for (let at: Source | undefined = source; at !== undefined; at = at.parent) {
    steps.push(at.isField ? `.${at.step}` : `[${JSON.stringify(at.step)}]`);
  }
  return steps.toReversed().join('');
}
