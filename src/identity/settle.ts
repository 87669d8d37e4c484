// From what every policy makes of a pod to what the pod gets: fallbacks, masking, order. All of it
// concerns one pod only, because every entry carries the pod's UID as a selector.

import type { Candidate, CandidateReason, Entry } from './candidate.ts';
import { compareAge } from './policy.ts';

/** What became of one candidate. */
export type Fate =
  /** Served to the pod. */
  | 'Served'
  /** Its workload selectors are about other pods. */
  | 'SelectorMismatch'
  /** Its workload selectors cannot be decided for the whole pod, so it is not served. */
  | 'Undecidable'
  /** Another policy makes the same entry and is older. */
  | 'Masked'
  /** A fallback, and the pod is served without it. */
  | 'FallbackUnused'
  | CandidateReason;

export type Settlement = {
  /** One for each candidate, in their order. */
  readonly fates: readonly Fate[];
  /** What is served, in order of preference. */
  readonly winners: readonly Winner[];
};

export type Winner = {
  readonly entry: Entry;
  /** Policies that make the same entry; their stricter limits hold as well. */
  readonly masked: readonly Entry[];
};

const NO_ENTRIES: readonly Entry[] = [];
const NOTHING: Settlement = { fates: [], winners: [] };

/**
 * Settles the candidates of one pod, which come in order of preference. While one that counts cannot
 * be judged nothing is served: an answer is complete or none, because what a complete answer does not
 * name is withdrawn. `before` is the pod's last settlement.
 */
export function settle(candidates: readonly Candidate[], before: Settlement = NOTHING): Settlement {
  const fates = candidates.map(fateAlone);
  leaveFallbacks(candidates, fates);
  const masked = mask(candidates, fates);
  if (fates.includes('ViewBehind')) {
    return { fates: fates.map((fate) => (fate === 'Served' ? 'ViewBehind' : fate)), winners: [] };
  }
  return {
    fates: isSameList(fates, before.fates) ? before.fates : fates,
    winners: winnersOf(candidates, { fates, masked, before: before.winners }),
  };
}

type Outcome = {
  readonly fates: readonly Fate[];
  readonly masked: readonly Entry[];
  readonly before: readonly Winner[];
};

// Made of the winners before where they are the same, which most are: what lives long is not made
// anew all the time.
function winnersOf(
  candidates: readonly Candidate[],
  { fates, masked, before }: Outcome,
): readonly Winner[] {
  const winners: Winner[] = [];
  let isSame = true;
  for (let at = 0; at < candidates.length; at += 1) {
    const entry = candidates[at];
    if (entry?.kind !== 'entry' || fates[at] !== 'Served') continue;
    const known = before[winners.length];
    const same = masked.length === 0 ? masked : sameAs(entry, masked);
    const isKnown = known?.entry === entry && known.masked === same;
    if (!isKnown) isSame = false;
    winners.push(isKnown ? known : { entry, masked: same });
  }
  return isSame && winners.length === before.length ? before : winners;
}

function leaveFallbacks(candidates: readonly Candidate[], fates: Fate[]): void {
  let hasFallback = false;
  let isServed = false;
  for (let at = 0; at < candidates.length; at += 1) {
    if (candidates[at]?.policy.isFallback === true) hasFallback = true;
    // Static entries are no policies about pods, and stand beside a fallback (compatibility A13).
    else if (fates[at] === 'Served' && candidates[at]?.policy.entry === undefined) isServed = true;
  }
  if (!hasFallback || !isServed) return;
  for (let at = 0; at < candidates.length; at += 1) {
    if (candidates[at]?.policy.isFallback === true) fates[at] = 'FallbackUnused';
  }
}

function fateAlone(candidate: Candidate): Fate {
  if (candidate.kind === 'failure') return candidate.reason;
  switch (candidate.verdict) {
    case 'holds':
      return 'Served';
    case 'fails':
      return 'SelectorMismatch';
    case 'undecidable':
      return 'Undecidable';
  }
}

// Of each two that make the same entry the younger is masked, which leaves the oldest of all.
function mask(candidates: readonly Candidate[], fates: Fate[]): readonly Entry[] {
  let masked = NO_ENTRIES;
  for (let at = 1; at < candidates.length; at += 1) {
    const entry = candidates[at];
    if (entry?.kind !== 'entry' || fates[at] === 'FallbackUnused') continue;
    const { length } = entry.spiffeId;
    for (let before = 0; before < at && fates[at] !== 'Masked'; before += 1) {
      const other = candidates[before];
      if (other?.kind !== 'entry') continue;
      // The lengths first, because they nearly always tell.
      if (other.spiffeId.length !== length || other.spiffeId !== entry.spiffeId) continue;
      if (isOut(fates[before]) || !isSameEntry(entry, other)) continue;
      const isOlder = compareAge(entry.policy, other.policy) < 0;
      fates[isOlder ? before : at] = 'Masked';
      masked = [...masked, isOlder ? other : entry];
    }
  }
  return masked;
}

function isOut(fate: Fate | undefined): boolean {
  return fate === 'FallbackUnused' || fate === 'Masked';
}

function sameAs(winner: Entry, masked: readonly Entry[]): readonly Entry[] {
  const same = masked.filter((other) => isSameEntry(winner, other));
  return same.length === 0 ? NO_ENTRIES : same;
}

// The parent of what policies make is the pod's node and so the same for all (compatibility R3).
function isSameEntry(a: Entry, b: Entry): boolean {
  return (
    a.spiffeId === b.spiffeId &&
    a.scope === b.scope &&
    a.selectors.length === b.selectors.length &&
    a.selectors.every((selector, index) => selector === b.selectors[index])
  );
}

/** Whether two settlements give a pod the very same. */
export function isSameWinners(a: readonly Winner[], b: readonly Winner[]): boolean {
  return a === b || (a.length === b.length && a.every((winner, at) => isSameWinner(winner, b[at])));
}

function isSameWinner({ entry, masked }: Winner, other: Winner | undefined): boolean {
  return (
    other !== undefined &&
    (entry === other.entry || isSameContent(entry, other.entry)) &&
    (masked === other.masked ||
      (masked.length === other.masked.length &&
        masked.every(({ policy }, index) => policy === other.masked[index]?.policy)))
  );
}

function isSameContent(a: Entry, b: Entry): boolean {
  return (
    a.policy === b.policy &&
    a.spiffeId === b.spiffeId &&
    isSameList(a.selectors, b.selectors) &&
    isSameList(a.dnsNames, b.dnsNames) &&
    a.commonName === b.commonName &&
    (a.jwtClaims === b.jwtClaims ||
      isSameList(Object.values(a.jwtClaims), Object.values(b.jwtClaims)))
  );
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at += 1) if (a[at] !== b[at]) return false;
  return true;
}
