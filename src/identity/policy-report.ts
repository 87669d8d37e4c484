// How a policy fares, as its status says it: upstream's numbers, and for whom it failed and why.

import type { Entry } from './candidate.ts';
import type { IdentityIndex } from './identity-index.ts';
import type { IndexedPod } from './indexed-pods.ts';
import { compareText } from './policy.ts';
import type { Slot } from './policy-matcher.ts';
import type { PolicyStats } from './policy-tally.ts';
import type { Fate } from './settle.ts';
import { firstNotHolding } from './workload-selectors.ts';

export type PolicyFailure = {
  readonly namespace: string;
  readonly pod: string;
  readonly reason: Fate;
  readonly message: string;
  /** Whether it has a node: without one every pod fails, for a moment. */
  readonly isScheduled: boolean;
};

const FAILURES: ReadonlySet<Fate> = new Set([
  'RenderFailed',
  'EntryRefused',
  'Undecidable',
  'ViewBehind',
]);

export function policyStats(index: IdentityIndex, slot: Slot): PolicyStats {
  let namespacesSelected = 0;
  let namespacesIgnored = 0;
  for (const { verdicts, isIgnored } of index.namespaces.values()) {
    if (!index.matcher.selectsNamespace(slot, verdicts)) continue;
    namespacesSelected += 1;
    if (isIgnored) namespacesIgnored += 1;
  }
  return { namespacesSelected, namespacesIgnored, ...index.tallyOf(slot.policy.name) };
}

/** Every pod that the policy failed for, by namespace and name. */
export function policyFailures(index: IdentityIndex, slot: Slot): readonly PolicyFailure[] {
  index.settleAll();
  const failures: PolicyFailure[] = [];
  for (const pod of index.podsOf(slot)) {
    const at = pod.candidates.findIndex(({ policy }) => policy === slot.policy);
    const reason = pod.fates[at];
    if (reason === undefined || !FAILURES.has(reason)) continue;
    const { namespace, name, nodeName } = pod.object;
    const message = candidateMessage(index, pod, at);
    failures.push({ namespace, pod: name, reason, message, isScheduled: nodeName !== '' });
  }
  return failures.toSorted(
    (a, b) => compareText(a.namespace, b.namespace) || compareText(a.pod, b.pod),
  );
}

/** What to say about a candidate beyond its fate. */
export function candidateMessage(index: IdentityIndex, pod: IndexedPod, at: number): string {
  const candidate = pod.candidates[at];
  if (candidate === undefined) return '';
  if (candidate.kind === 'failure') return candidate.message;
  const { object } = pod;
  const namespaceLabels = index.namespaces.get(object.namespace)?.verdicts.labels ?? {};
  const selector = firstNotHolding(candidate.selectors, { pod: object, namespaceLabels });
  return MESSAGES.get(pod.fates[at])?.(selector, candidate) ?? '';
}

type Message = (selector: string | undefined, entry: Entry) => string;

const MESSAGES: ReadonlyMap<Fate | undefined, Message> = new Map<Fate | undefined, Message>([
  ['Undecidable', (selector) => `selector "${selector}" cannot be decided for a whole pod`],
  ['SelectorMismatch', (selector) => mismatch(selector)],
  ['ViewBehind', () => "what another policy's templates read is not known yet"],
  ['Masked', (_, { spiffeId }) => `an older policy makes the same entry ${spiffeId}`],
  ['FallbackUnused', () => 'a fallback, and another policy serves this pod'],
]);

function mismatch(selector: string | undefined): string {
  if (selector === undefined) return 'its node is none of those that parentID stands for';
  return `selector "${selector}" does not hold for this pod`;
}
