// The status of a ClusterSPIFFEID as it is written: upstream's statistics to the letter, and beside
// them what people otherwise have to read logs for.

import { sampleData } from '../crds/admission/sample.ts';
import { type Condition, type ConditionStatus, setCondition } from '../crds/conditions.ts';
import { isNamespaceBound } from './forgeable.ts';
import type { IdentityView, PolicyAside } from './identity-view.ts';
import type { Slot } from './policy-matcher.ts';
import { policyFailures, policyStats } from './policy-report.ts';
import { newTally, type PolicyStats } from './policy-tally.ts';
import { NO_LIMITS } from './restrict.ts';

export type PolicyStatus = {
  readonly stats: PolicyStats;
  readonly conditions: readonly Condition[];
  readonly observedGeneration: number;
  readonly failures: readonly {
    readonly pod: string;
    readonly reason: string;
    readonly message: string;
  }[];
};

const MAX_FAILURES = 10;

/**
 * The status to write; undefined for a policy of somebody else's class, which is never touched.
 * `previous` are its present conditions, `now` is in milliseconds since the epoch.
 */
export function policyStatus(
  view: IdentityView,
  name: string,
  { previous, now }: { previous: readonly Condition[]; now: number },
): PolicyStatus | undefined {
  const aside = view.aside.get(name);
  if (aside !== undefined)
    return aside.reason === 'Invalid' ? brokenStatus(aside, previous, now) : undefined;
  const slot = view.index.matcher.get(name);
  if (slot === undefined) return undefined;
  // Statistics count them, as upstream does; nobody has to do anything about them.
  const failures = policyFailures(view.index, slot).filter(({ isScheduled }) => isScheduled);
  const stats = policyStats(view.index, slot);
  const [first] = failures;
  const ready: Fact =
    first === undefined
      ? ['Ready', 'True', stats.podsSelected > 0 ? 'Serving' : 'NoPods', '']
      : ['Ready', 'False', first.reason, `${failures.length} pods have no entry of this policy`];
  const { generation } = slot.policy;
  return {
    stats,
    conditions: conditionsOf(
      [ready, PARSED, boundFact(view, slot), restrictedFact(view, slot, now)],
      {
        previous,
        generation,
        now,
      },
    ),
    observedGeneration: generation,
    failures: failures.slice(0, MAX_FAILURES).map(({ namespace, pod, reason, message }) => ({
      pod: `${namespace}/${pod}`,
      reason,
      message,
    })),
  };
}

/** Type, status, reason and message of a condition. */
type Fact = readonly [string, ConditionStatus, string, string];

const PARSED: Fact = ['TemplatesValid', 'True', 'Parsed', ''];

function brokenStatus(
  aside: PolicyAside,
  previous: readonly Condition[],
  now: number,
): PolicyStatus {
  const facts: readonly Fact[] = [
    ['Ready', 'False', 'Invalid', 'it serves no pod'],
    ['TemplatesValid', 'False', 'Invalid', aside.message],
  ];
  const { generation } = aside;
  return {
    stats: { namespacesSelected: 0, namespacesIgnored: 0, ...newTally() },
    conditions: conditionsOf(facts, { previous, generation, now }),
    observedGeneration: generation,
    failures: [],
  };
}

function boundFact(view: IdentityView, { policy }: Slot): Fact {
  const data = sampleData(view.index.settings, policy.spiffeIdTemplate.source);
  try {
    if (isNamespaceBound(policy, data)) return ['NamespaceBound', 'True', 'Bound', ''];
  } catch {
    // A template that fails on the sample says nothing about namespaces.
    return ['NamespaceBound', 'Unknown', 'NotRendered', 'the template fails on a sample pod'];
  }
  const message = 'pods of any namespace can get the same ID: add .PodMeta.Namespace as a segment';
  return ['NamespaceBound', 'False', 'NotBound', message];
}

function restrictedFact(view: IdentityView, { policy }: Slot, now: number): Fact {
  const slot = view.index.matcher.get(policy.name);
  let restricted = 0;
  for (const { object, winners } of slot === undefined ? [] : view.index.podsOf(slot)) {
    const won = winners.find(({ entry }) => entry.policy === policy);
    if (won === undefined) continue;
    const limits = view.restrictions.limitsOf(object, won.entry, now);
    if (limits !== NO_LIMITS) restricted += 1;
  }
  if (restricted === 0) return ['Restricted', 'False', 'NotRestricted', ''];
  return [
    'Restricted',
    'True',
    'Restricted',
    `${restricted} pods are under an IdentityRestriction`,
  ];
}

function conditionsOf(
  facts: readonly Fact[],
  {
    previous,
    generation,
    now,
  }: { previous: readonly Condition[]; generation: number; now: number },
): readonly Condition[] {
  return facts.reduce(
    (conditions, [type, status, reason, message]) =>
      setCondition(
        conditions,
        { type, status, reason, message, observedGeneration: generation },
        now,
      ),
    previous,
  );
}
