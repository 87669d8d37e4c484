// What must have been seen before a policy can be applied: parts of pods, and other kinds of
// objects. Most policies need none of it, so most of it is not watched.

import { parseClusterSpiffeId } from '../crds/cluster-spiffe-id-policy.ts';
import { parseClusterStaticEntry } from '../crds/cluster-static-entry.ts';
import type { IdentityKind } from '../identity/identity-view.ts';
import { readsNodesOf } from '../identity/node-rule.ts';
import { objectIn, textIn } from '../identity/objects.ts';
import { readsNode, templatesOf } from '../identity/policy.ts';
import { type IdentitySettings, servesClass } from '../identity/settings.ts';
import { NO_NEEDS, type PodNeeds } from '../kube/watch/pod-projection.ts';
import type { JsonObject } from '../template/json-value.ts';

/** Kinds that are watched only when a policy needs them. */
export type OnDemandKind = Extract<IdentityKind, 'Node' | 'Service' | 'EndpointSlice'>;

export type PolicyNeeds = {
  readonly pod: PodNeeds;
  readonly kinds: readonly OnDemandKind[];
};

const NOTHING: PolicyNeeds = { pod: NO_NEEDS, kinds: [] };

/** Of a policy as it is stored; one that serves nobody needs nothing. */
export function needsOf(
  kind: IdentityKind,
  object: JsonObject,
  settings: IdentitySettings,
): PolicyNeeds {
  if (!servesClass(settings, textIn(objectIn(object, 'spec'), 'className'))) return NOTHING;
  if (kind === 'ClusterStaticEntry') return needsOfEntry(object, settings);
  const { value: policy } = parseClusterSpiffeId(object, settings.claimNames);
  if (policy === undefined) return NOTHING;
  const fields = new Set(templatesOf(policy).flatMap((template) => [...template.fields]));
  const kinds: OnDemandKind[] = readsNode(policy) ? ['Node'] : [];
  if (policy.autoPopulateDnsNames) kinds.push('Service', 'EndpointSlice');
  return { pod: { fields, images: policy.workloadSelectorTemplates.length > 0 }, kinds };
}

function needsOfEntry(object: JsonObject, settings: IdentitySettings): PolicyNeeds {
  const { value: entry } = parseClusterStaticEntry(object);
  if (entry === undefined) return NOTHING;
  const images = entry.selectors.some((selector) => selector.includes('image'));
  return {
    pod: { ...NO_NEEDS, images },
    kinds: readsNodesOf(entry, settings) ? ['Node'] : [],
  };
}
