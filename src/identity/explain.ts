// Why a pod has the identities it has, and why not others: for every policy the step at which it
// ended, told by the same code that decides.

import type { JsonObject } from '../template/json-value.ts';
import type { Run } from '../template/provenance.ts';
import type { IdentityView, PolicyAside } from './identity-view.ts';
import type { IndexedPod } from './indexed-pods.ts';
import { type PodIdentity, type RefusalReason } from './pod-identity.ts';
import { comparePreference, compareText, type FixedEntry } from './policy.ts';
import type { Slot } from './policy-matcher.ts';
import { candidateMessage } from './policy-report.ts';
import { firstUnmet, formatRequirement } from './selectors.ts';
import type { Fate } from './settle.ts';
import { firstNotHolding } from './workload-selectors.ts';

/** Why a policy did not even look at the pod. */
export type Passed =
  | PolicyAside['reason']
  | 'NodePod'
  | 'NamespaceUnknown'
  | 'NamespaceIgnored'
  | 'NamespaceNotSelected'
  | 'PodNotSelected';

export type ExplainedClaim = {
  readonly name: string;
  readonly value: string;
  readonly provenance: readonly Run[];
};

export type PolicyVerdict = {
  readonly policy: string;
  readonly outcome: Fate | Passed | 'Suspended';
  readonly message: string;
  readonly spiffeId?: string;
  /** Who could have written which bytes of the ID. */
  readonly provenance?: readonly Run[];
  /** The claims of its JWT-SVIDs, with the same of each value. */
  readonly claims?: readonly ExplainedClaim[];
};

export type PodExplanation = {
  readonly namespace: string;
  readonly pod: string;
  readonly uid: string;
  readonly node: string;
  readonly identities: readonly PodIdentity[];
  readonly refusal: RefusalReason | '';
  /** One for each policy; those that serve the pod first. */
  readonly policies: readonly PolicyVerdict[];
};

/** Undefined for a pod that is not known. */
export function explainPod(
  view: IdentityView,
  uid: string,
  now: number,
): PodExplanation | undefined {
  const pod = view.index.pod(uid);
  const decision = view.decision(uid, now);
  if (pod === undefined || decision === undefined) return undefined;
  const served = new Set(decision.identities.map(({ policy }) => policy));
  const slots = [...view.index.matcher.slots].toSorted((a, b) =>
    comparePreference(a.policy, b.policy),
  );
  const verdicts = slots.map((slot) => verdictOf(view, pod, { slot, served, now }));
  const aside = [...view.aside.values()]
    .toSorted((a, b) => compareText(a.name, b.name))
    .map(({ name, reason, message }) => ({ policy: name, outcome: reason, message }));
  const isServing = ({ policy }: PolicyVerdict) => served.has(policy);
  return {
    namespace: pod.object.namespace,
    pod: pod.object.name,
    uid,
    node: pod.object.nodeName,
    identities: decision.identities,
    refusal: decision.refusal,
    policies: [
      ...verdicts.filter(isServing),
      ...verdicts.filter((verdict) => !isServing(verdict)),
      ...aside,
    ],
  };
}

type Asked = { readonly slot: Slot; readonly served: ReadonlySet<string>; readonly now: number };

function verdictOf(
  view: IdentityView,
  pod: IndexedPod,
  { slot, served, now }: Asked,
): PolicyVerdict {
  const { policy } = slot;
  const at = pod.candidates.findIndex((candidate) => candidate.policy === policy);
  if (at === -1) return { policy: policy.name, ...whyPassed(view, pod, slot) };
  const candidate = pod.candidates[at];
  const outcome = pod.fates[at] ?? 'ViewBehind';
  const message = candidateMessage(view.index, pod, at);
  if (candidate?.kind !== 'entry') return { policy: policy.name, outcome, message };
  const { spiffeId } = candidate;
  const data = view.index.dataOf(pod);
  const provenance = policy.spiffeIdTemplate.trace(data);
  const claims = [...policy.jwtClaimTemplates].map(([name, template]) => {
    return { name, value: candidate.jwtClaims[name] ?? '', provenance: template.trace(data) };
  });
  const shown = {
    policy: policy.name,
    spiffeId,
    provenance,
    ...(claims.length === 0 ? {} : { claims }),
  };
  if (outcome === 'Served' && !served.has(policy.name)) {
    const { suspendedBy = '' } = view.restrictions.limitsOf(pod.object, candidate, now);
    const by = `suspended by IdentityRestriction ${suspendedBy}`;
    return { ...shown, outcome: 'Suspended', message: by };
  }
  return { ...shown, outcome, message };
}

function whyPassed(
  view: IdentityView,
  pod: IndexedPod,
  { policy }: Slot,
): { outcome: Passed; message: string } {
  const { namespace: name, labels } = pod.object;
  const namespace = view.index.namespaces.get(name);
  if (pod.isNodeOwned) return { outcome: 'NodePod', message: 'the pod was made by a node' };
  if (namespace === undefined)
    return { outcome: 'NamespaceUnknown', message: `${name} is not known` };
  if (policy.entry !== undefined) return whyNotNamed(pod, policy.entry, namespace.verdicts.labels);
  if (namespace.isIgnored) return { outcome: 'NamespaceIgnored', message: `${name} is ignored` };
  const unmet = firstUnmet(policy.namespaceSelector, namespace.verdicts.labels);
  if (unmet !== undefined) {
    const message = `namespace ${name} does not meet ${formatRequirement(unmet)}`;
    return { outcome: 'NamespaceNotSelected', message };
  }
  const missing = firstUnmet(policy.podSelector, labels);
  const rule = missing === undefined ? 'its pod selector' : formatRequirement(missing);
  return { outcome: 'PodNotSelected', message: `the pod does not meet ${rule}` };
}

function whyNotNamed(
  { object }: IndexedPod,
  { selectors }: FixedEntry,
  namespaceLabels: JsonObject,
): { outcome: Passed; message: string } {
  const selector = firstNotHolding(selectors, { pod: object, namespaceLabels });
  return {
    outcome: 'PodNotSelected',
    message: `selector "${selector}" does not hold for this pod`,
  };
}
