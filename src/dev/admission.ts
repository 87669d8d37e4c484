// Plays the API server's admission: what the schema says, then our own webhooks' decisions, which are
// the production ones.

import { findKind } from '../crds/custom-resource-definition.ts';
import { checkSchema } from '../crds/schema/check-schema.ts';
import { objectIn, textIn } from '../identity/objects.ts';
import type { IdentitySettings } from '../identity/settings.ts';
import { isJsonObject, type JsonObject, ownValue } from '../template/json-value.ts';
import { applyPatch } from '../webhook/json-patch.ts';
import { mutatePod } from '../webhook/mutate-pod.ts';
import { validateCustomResource } from '../webhook/validate-custom-resource.ts';
import { validatePod } from '../webhook/validate-pod.ts';
import type { WebhookSettings } from '../webhook/webhook-settings.ts';
import type { ClusterObject } from './cluster-objects.ts';

export type AdmissionOptions = {
  readonly identity: IdentitySettings;
  readonly webhook: WebhookSettings;
  readonly namespaceLabels: (namespace: string) => JsonObject;
};

export type Admitted = {
  /** The object to store; undefined when it was refused. */
  readonly object: JsonObject | undefined;
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
};

/** `stored` is what the object would replace. */
export function admit(
  item: ClusterObject,
  stored: JsonObject | undefined,
  options: AdmissionOptions,
): Admitted {
  const errors = nameErrors(item);
  if (errors.length > 0) return { object: undefined, errors, warnings: [] };
  return item.kind === 'Pod' ? admitPod(item, options) : admitOther(item, stored, options);
}

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

/** Names become parts of paths and of IDs. */
function nameErrors({ kind, namespace, name, object }: ClusterObject): readonly string[] {
  const errors: string[] = [];
  if (!SUBDOMAIN.test(name)) errors.push('metadata.name: must be a DNS name in lower case');
  if (namespace !== '' && !LABEL.test(namespace)) {
    errors.push('metadata.namespace: must be a DNS label in lower case');
  }
  if (kind !== 'Pod') return errors;
  const volumes = ownValue(objectIn(object, 'spec'), 'volumes');
  for (const [index, volume] of (Array.isArray(volumes) ? volumes : []).entries()) {
    if (!isJsonObject(volume) || !LABEL.test(textIn(volume, 'name'))) {
      errors.push(`spec.volumes[${index}].name: must be a DNS label in lower case`);
    }
  }
  return errors;
}

function admitPod(item: ClusterObject, options: AdmissionOptions): Admitted {
  const { namespace } = item;
  const request = {
    operation: 'CREATE',
    subresource: '',
    namespace: { name: namespace, labels: options.namespaceLabels(namespace) },
    oldPod: null,
  };
  const mutation = mutatePod({ ...request, pod: item.object }, options.webhook);
  const pod = applyPatch(item.object, mutation.patch);
  const { allowed, message, warnings } = validatePod({ ...request, pod }, options.webhook);
  return {
    object: allowed ? (pod as JsonObject) : undefined,
    errors: allowed ? [] : [message],
    warnings: [...mutation.warnings, ...warnings],
  };
}

function admitOther(
  item: ClusterObject,
  stored: JsonObject | undefined,
  options: AdmissionOptions,
): Admitted {
  const { kind, apiVersion, object } = item;
  const [group = ''] = apiVersion.split('/');
  const custom = findKind(group, kind);
  if (custom === undefined) return { object, errors: [], warnings: [] };
  const { errors, pruned } = checkSchema(custom.schema, object, '');
  const dropped = pruned.map((field) => `${field}: unknown field, dropped`);
  if (errors.length > 0) return { object: undefined, errors, warnings: dropped };
  const operation = stored === undefined ? 'CREATE' : 'UPDATE';
  const request = { operation, kind, object, oldObject: stored };
  const { allowed, message, warnings } = validateCustomResource(request, options.identity);
  return {
    object: allowed ? object : undefined,
    errors: allowed ? [] : [message],
    warnings: [...dropped, ...warnings],
  };
}
