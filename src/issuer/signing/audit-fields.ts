// What a line says of whom it is about, issued or refused.

import type { IssuableEntry, IssuablePod } from '../pod-source.ts';

/** Who asked, of which trust domain. */
export type Asked = {
  readonly trustDomain: string;
  readonly node: string;
  readonly caller: string;
};

/** The pod, its identity, and the rule that gives it. */
export function ruleOf(pod: IssuablePod, entry: IssuableEntry) {
  const { policy, generation, spiffeId } = entry;
  const rule = generation === undefined ? { policy } : { policy, generation };
  return { pod: `${pod.namespace}/${pod.name}`, spiffeId, ...rule };
}

/** The same, as far as it is known: the request may be about nobody. */
export function knownOf(pod: IssuablePod | undefined, entryId: string) {
  if (pod === undefined) return {};
  const entry = pod.entries.find((each) => each.entryId === entryId);
  return entry === undefined ? { pod: `${pod.namespace}/${pod.name}` } : ruleOf(pod, entry);
}
