// Kubernetes label selectors, as the API server evaluates them: requirements are ANDed, NotIn and
// DoesNotExist hold for a missing key, and no requirements at all select everything.

import type { LabelSelector, Requirement } from '../crds/label-selector.ts';
import type { JsonObject } from '../template/json-value.ts';

/** Whether the labels meet the selector; undefined selects everything. */
export function selects(selector: LabelSelector | undefined, labels: JsonObject): boolean {
  if (selector === undefined) return true;
  for (const requirement of selector.requirements) {
    if (!meets(requirement, labels)) return false;
  }
  return true;
}

/** The first requirement that the labels do not meet. */
export function firstUnmet(
  selector: LabelSelector | undefined,
  labels: JsonObject,
): Requirement | undefined {
  return selector?.requirements.find((requirement) => !meets(requirement, labels));
}

type Selection = {
  readonly podSelector: LabelSelector | undefined;
  readonly namespaceSelector: LabelSelector | undefined;
  readonly entry?: { readonly anchors: readonly Requirement[] };
};

/** Whether two policies have the very same selectors. */
export function isSameSelection(a: Selection, b: Selection): boolean {
  return selectionText(a) === selectionText(b);
}

function selectionText({ podSelector, namespaceSelector, entry }: Selection): string {
  return JSON.stringify([podSelector, namespaceSelector, entry?.anchors]);
}

export function formatRequirement({ key, operator, values }: Requirement): string {
  return operator === 'In' || operator === 'NotIn'
    ? `${key} ${operator} (${values.join(', ')})`
    : `${key} ${operator}`;
}

function meets({ key, operator, values }: Requirement, labels: JsonObject): boolean {
  const has = Object.hasOwn(labels, key);
  switch (operator) {
    case 'In':
      return has && values.includes(labels[key] as string);
    case 'NotIn':
      return !has || !values.includes(labels[key] as string);
    case 'Exists':
      return has;
    case 'DoesNotExist':
      return !has;
  }
}
