// From what every policy makes of a pod to what the pod gets: fallbacks, masking, order. All of it
// concerns one pod only, because every entry carries the pod's UID as a selector.

import type { Candidate, CandidateReason, Entry } from './candidate.ts';
import { compareAge, comparePreference } from './policy.ts';

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

/**
 * Settles the candidates of one pod. While one that counts cannot be judged nothing is served: an
 * answer is complete or none, because what a complete answer does not name is withdrawn.
 */
export function settle(candidates: readonly Candidate[]): Settlement {
  const isServed = candidates.some(
    (candidate) => fateAlone(candidate) === 'Served' && !candidate.policy.isFallback,
  );
  const fates = candidates.map((candidate): Fate => {
    if (isServed && candidate.policy.isFallback) return 'FallbackUnused';
    return isMasked(candidate, candidates, isServed) ? 'Masked' : fateAlone(candidate);
  });
  if (fates.includes('ViewBehind')) {
    return { fates: fates.map((fate) => (fate === 'Served' ? 'ViewBehind' : fate)), winners: [] };
  }
  const winners: Winner[] = [];
  for (const [index, candidate] of candidates.entries()) {
    if (candidate.kind !== 'entry' || fates[index] !== 'Served') continue;
    const masked = candidates.length === 1 ? NO_ENTRIES : maskedBy(candidate, candidates, fates);
    winners.push({ entry: candidate, masked });
  }
  if (winners.length > 1) {
    winners.sort((a, b) => comparePreference(a.entry.policy, b.entry.policy));
  }
  return { fates, winners };
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

function isMasked(
  candidate: Candidate,
  candidates: readonly Candidate[],
  isServed: boolean,
): boolean {
  if (candidate.kind !== 'entry') return false;
  return candidates.some(
    (other) =>
      other !== candidate &&
      other.kind === 'entry' &&
      !(isServed && other.policy.isFallback) &&
      isSameEntry(candidate, other) &&
      compareAge(other.policy, candidate.policy) < 0,
  );
}

function maskedBy(
  winner: Entry,
  candidates: readonly Candidate[],
  fates: readonly Fate[],
): readonly Entry[] {
  return candidates.filter(
    (other, index): other is Entry =>
      fates[index] === 'Masked' && other.kind === 'entry' && isSameEntry(winner, other),
  );
}

// The parent is the pod's node and so the same for all (compatibility R3).
function isSameEntry(a: Entry, b: Entry): boolean {
  return (
    a.spiffeId === b.spiffeId &&
    a.selectors.length === b.selectors.length &&
    a.selectors.every((selector, index) => selector === b.selectors[index])
  );
}

/** Whether two settlements give a pod the very same. */
export function isSameWinners(a: readonly Winner[], b: readonly Winner[]): boolean {
  return a.length === b.length && a.every((winner, index) => isSameWinner(winner, b[index]));
}

function isSameWinner({ entry, masked }: Winner, other: Winner | undefined): boolean {
  return (
    other !== undefined &&
    entry.policy === other.entry.policy &&
    entry.spiffeId === other.entry.spiffeId &&
    isSameList(entry.selectors, other.entry.selectors) &&
    isSameList(entry.dnsNames, other.entry.dnsNames) &&
    entry.commonName === other.entry.commonName &&
    isSameList(Object.values(entry.jwtClaims), Object.values(other.entry.jwtClaims)) &&
    masked.length === other.masked.length &&
    masked.every(({ policy }, index) => policy === other.masked[index]?.policy)
  );
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((item, index) => item === b[index]));
}
