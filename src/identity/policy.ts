// What policies have to do with each other: which wins, which comes first, what they read.

import type { ClusterSpiffeIdPolicy } from '../crds/cluster-spiffe-id-policy.ts';
import type { Requirement } from '../crds/label-selector.ts';
import type { PolicyMeta } from '../crds/parse-result.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import { parseTemplate, type Template } from '../template/template.ts';

/** What gives pods identities: a ClusterSPIFFEID, or a ClusterStaticEntry, which has `entry`. */
export type Policy = ClusterSpiffeIdPolicy & { readonly entry?: FixedEntry };

/** What a ClusterStaticEntry says in place of templates. */
export type FixedEntry = {
  readonly spiffeId: SpiffeId;
  readonly parentId: SpiffeId;
  /** Each once, sorted. */
  readonly selectors: readonly string[];
  readonly dnsNames: readonly string[];
  readonly commonName: string;
  /** The nodes that its parent stands for: one of the rules must hold. */
  readonly nodes: readonly NodeRule[];
  /** What its selectors say that pods can be found by; all of it holds for a pod they select. */
  readonly anchors: readonly Requirement[];
};

/** Terms about a node, all of which must hold; none: every node. */
export type NodeRule = readonly NodeTerm[];

export type NodeTerm = {
  readonly about: 'name' | 'uid' | 'label';
  /** Of a label. */
  readonly key?: string;
  readonly value: string;
};

/** The parent of every entry of a node, as upstream has it by default (compatibility E6). */
export const PARENT_ID_TEMPLATE = parseTemplate(
  'parentIDTemplate',
  'spiffe://{{ .TrustDomain }}/spire/agent/k8s_psat/{{ .ClusterName }}/{{ .NodeMeta.UID }}',
);

export function templatesOf(policy: ClusterSpiffeIdPolicy): readonly Template[] {
  const { commonNameTemplate } = policy;
  return [
    policy.spiffeIdTemplate,
    ...policy.dnsNameTemplates,
    ...policy.workloadSelectorTemplates,
    ...policy.jwtClaimTemplates.values(),
    ...(commonNameTemplate === undefined ? [] : [commonNameTemplate]),
  ];
}

/** Whether any of its templates looks at the pod's node. */
export function readsNode(policy: Policy): boolean {
  let reads = READS_NODE.get(policy);
  if (reads === undefined) {
    reads = templatesOf(policy).some(({ fields }) =>
      [...fields].some((field) => field.startsWith('Node')),
    );
    READS_NODE.set(policy, reads);
  }
  return reads;
}

const READS_NODE = new WeakMap<ClusterSpiffeIdPolicy, boolean>();

/**
 * The order in which policies win: the oldest, then one that is not being deleted, then the lower
 * UID (compatibility R3).
 */
export function compareAge(a: PolicyMeta, b: PolicyMeta): number {
  return (
    a.creationTimestamp - b.creationTimestamp ||
    Number(a.isDeleting) - Number(b.isDeleting) ||
    compareText(a.uid, b.uid)
  );
}

/** The order of a pod's identities: the first is the default one (Workload API §8). */
export function comparePreference(a: Policy, b: Policy): number {
  return (
    b.priority - a.priority ||
    Number(a.isFallback) - Number(b.isFallback) ||
    a.creationTimestamp - b.creationTimestamp ||
    compareText(a.name, b.name)
  );
}

export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
