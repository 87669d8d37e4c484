// The status of a ClusterStaticEntry as it is written: upstream's three facts, `set` as what is so
// now, and the reason where an entry gives nobody an identity (compatibility B11 to B13).

import { type Condition, setCondition } from '../crds/conditions.ts';
import type { IdentityView } from './identity-view.ts';
import { policyFailures } from './policy-report.ts';
import { staticPolicyName } from './static-entry.ts';

type Fact = Pick<Condition, 'status' | 'reason' | 'message'>;
type Facts = {
  /** Whether its spec could be read. */
  readonly rendered: boolean;
  /** Whether another object declares the same entry. */
  readonly masked: boolean;
  /** Whether the entry is in effect. */
  readonly set: boolean;
  readonly ready: Fact;
};

export type StaticEntryStatus = Omit<Facts, 'ready'> & {
  readonly conditions: readonly Condition[];
  readonly observedGeneration: number;
};

const MASKED: Fact = {
  status: 'False',
  reason: 'Masked',
  message: 'an older object declares the same entry',
};

/**
 * The status to write; undefined for an entry of somebody else's class, which is never touched.
 * `previous` are its present conditions, `now` is in milliseconds since the epoch.
 */
export function staticEntryStatus(
  view: IdentityView,
  name: string,
  { previous, now }: { previous: readonly Condition[]; now: number },
): StaticEntryStatus | undefined {
  const aside = view.aside.get(staticPolicyName(name));
  const generation = aside?.generation ?? view.staticEntries.get(name)?.entry.generation;
  if (generation === undefined || aside?.reason === 'ClassNotServed') return undefined;
  const { ready, ...facts } =
    aside?.reason === 'Invalid' ? invalidFacts(aside.message) : factsOf(view, name);
  const condition = { type: 'Ready', ...ready, observedGeneration: generation };
  return {
    ...facts,
    conditions: setCondition(previous, condition, now),
    observedGeneration: generation,
  };
}

function invalidFacts(message: string): Facts {
  return { rendered: false, masked: false, set: false, ready: not('Invalid', message) };
}

function factsOf(view: IdentityView, name: string): Facts {
  const standing = view.staticEntries.get(name)?.standing;
  const rendered = { rendered: true, masked: false };
  if (view.staticEntries.isMasked(name)) {
    return { rendered: true, masked: true, set: false, ready: MASKED };
  }
  if (standing === undefined || standing.kind === 'none') {
    const { reason, message } = standing ?? { reason: 'Unsupported', message: '' };
    return { ...rendered, set: false, ready: not(reason, message) };
  }
  if (standing.kind === 'alias') {
    const ready: Fact = { status: 'True', reason: 'NodeAlias', message: 'names nodes' };
    return { ...rendered, set: true, ready };
  }
  return podFacts(view, staticPolicyName(name));
}

function podFacts({ index }: IdentityView, policyName: string): Facts {
  const slot = index.matcher.get(policyName);
  if (slot === undefined) throw new Error(`${policyName} is not in the index`);
  const failures = policyFailures(index, slot).filter(({ isScheduled }) => isScheduled);
  let served = 0;
  let masked = 0;
  for (const { candidates, fates } of index.podsOf(slot)) {
    const fate = fates[candidates.findIndex(({ policy }) => policy === slot.policy)];
    if (fate === 'Served') served += 1;
    if (fate === 'Masked') masked += 1;
  }
  // By a ClusterSPIFFEID, which is about one pod only, as this entry then is.
  if (masked > 0) return { rendered: true, masked: true, set: false, ready: MASKED };
  const [first] = failures;
  const ready: Fact =
    first === undefined
      ? { status: 'True', reason: served > 0 ? 'Serving' : 'NoPods', message: '' }
      : not(first.reason, `${failures.length} pods are not served: ${first.message}`);
  return { rendered: true, masked: false, set: first === undefined || served > 0, ready };
}

function not(reason: string, message: string): Fact {
  return { status: 'False', reason, message };
}
