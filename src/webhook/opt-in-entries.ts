// Which new pods an API server asks about, as its selectors say it. Both selectors of an entry must
// hold, so each way to opt in is an entry of its own; no pod without one of them ever waits for us.

import type { JsonObject } from '../template/json-value.ts';
import { celAnnotationHas, celHasKey, celList, celString } from './cel.ts';
import { CRITICAL_CLASSES, KUBE_SYSTEM, MIRROR_ANNOTATION } from './exclusion.ts';
import {
  COFIDE_MODES,
  COFIDE_MODES_ANNOTATION,
  COFIDE_NAMESPACE_LABEL,
  INJECT_LABEL,
  SPIRE_MANAGED_LABEL,
} from './opt-in.ts';
import type { WebhookSettings } from './webhook-settings.ts';

export type MatchCondition = { readonly name: string; readonly expression: string };

export type LabelRequirement = {
  readonly key: string;
  readonly operator: 'In' | 'NotIn';
  readonly values: readonly string[];
};

export type OptInEntry = {
  /** The first part of a DNS name. */
  readonly name: string;
  readonly namespaceLabels: readonly LabelRequirement[];
  readonly podLabels: readonly LabelRequirement[];
  readonly conditions: readonly MatchCondition[];
};

const hasLabel = (key: string, ...values: readonly string[]): LabelRequirement => {
  return { key, operator: 'In', values };
};
/** Also holds where the label is missing. */
const hasNot = (key: string, ...values: readonly string[]): LabelRequirement => {
  return { key, operator: 'NotIn', values };
};

/** The pod's own label decides over everything else. */
const UNDECIDED = hasNot(INJECT_LABEL, 'true', 'false');

/** Ours first: by the pod's label, by its namespace's; then the words of other injectors. */
export const OPT_IN_ENTRIES: readonly OptInEntry[] = [
  {
    name: 'pod',
    namespaceLabels: [],
    podLabels: [hasLabel(INJECT_LABEL, 'true')],
    conditions: [],
  },
  {
    name: 'namespace',
    namespaceLabels: [hasLabel(INJECT_LABEL, 'true')],
    podLabels: [UNDECIDED],
    conditions: [],
  },
  {
    name: 'cofide',
    namespaceLabels: [hasLabel(COFIDE_NAMESPACE_LABEL, 'true'), hasNot(INJECT_LABEL, 'true')],
    podLabels: [UNDECIDED],
    conditions: [
      {
        name: 'asks-by-annotation',
        expression: celAnnotationHas(COFIDE_MODES_ANNOTATION, COFIDE_MODES),
      },
    ],
  },
  {
    name: 'spire-managed',
    namespaceLabels: [hasNot(INJECT_LABEL, 'true')],
    podLabels: [hasLabel(SPIRE_MANAGED_LABEL, 'true'), UNDECIDED],
    conditions: [],
  },
];

/** A label that Kubernetes itself sets, so nobody can take it off. */
const NAMESPACE_NAME_LABEL = 'kubernetes.io/metadata.name';

/** Every namespace but those in which nothing may wait for us. */
export function outsideOwnNamespace({ ownNamespace }: WebhookSettings): LabelRequirement {
  return hasNot(NAMESPACE_NAME_LABEL, ...new Set([KUBE_SYSTEM, ownNamespace]));
}

export function labelSelector(requirements: readonly LabelRequirement[]): JsonObject {
  return requirements.length === 0 ? {} : { matchExpressions: requirements };
}

const OS_LABEL = 'kubernetes.io/os';

/** Pods that are never injected, so that they do not depend on the webhook being there either. */
export const POD_CONDITIONS: readonly MatchCondition[] = [
  {
    name: 'no-mirror-pod',
    expression: `!${celHasKey('object.metadata.annotations', MIRROR_ANNOTATION)}`,
  },
  {
    name: 'no-windows-pod',
    expression: [
      '!(has(object.spec.os) && object.spec.os.name == "windows")',
      `!(${celHasKey('object.spec.nodeSelector', OS_LABEL)} && object.spec.nodeSelector[${celString(OS_LABEL)}] == "windows")`,
    ].join(' && '),
  },
  {
    name: 'no-host-network-pod',
    expression: '!(has(object.spec.hostNetwork) && object.spec.hostNetwork)',
  },
  {
    name: 'no-critical-pod',
    expression: `!(has(object.spec.priorityClassName) && object.spec.priorityClassName in ${celList(CRITICAL_CLASSES)})`,
  },
];
