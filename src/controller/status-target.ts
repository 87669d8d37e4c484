// What of a stored object a status is written to, and what it says now.

import type { Condition } from '../crds/conditions.ts';
import { objectIn, textIn } from '../identity/objects.ts';
import { segment } from '../kube/kube-client.ts';
import { metadataOf, metadataText, versionOf } from '../kube/object-key.ts';
import type { StatusTarget, StoredStatus } from '../kube/status-writer.ts';
import { isJsonObject, type JsonObject, type JsonValue, ownValue } from '../template/json-value.ts';

export type StatusKind = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly collection: string;
};

export function targetOf({ apiVersion, kind, collection }: StatusKind, object: JsonObject) {
  const name = metadataText(object, 'name');
  const uid = metadataText(object, 'uid');
  const target: StatusTarget = {
    apiVersion,
    kind,
    name,
    uid,
    path: `${collection}/${segment(name)}`,
  };
  return target;
}

export function storedStatusOf(object: JsonObject): StoredStatus {
  return { status: objectIn(object, 'status'), version: versionOf(object) };
}

export function generationOf(object: JsonObject): number {
  const generation = ownValue(metadataOf(object), 'generation');
  return typeof generation === 'number' ? generation : 0;
}

/** Conditions of these types as they are stored; what is not one is left out. */
export function conditionsIn(object: JsonObject, types: readonly string[]): readonly Condition[] {
  const stored = ownValue(objectIn(object, 'status'), 'conditions');
  if (!Array.isArray(stored)) return [];
  return (stored as readonly JsonValue[]).filter(isJsonObject).flatMap((each) => {
    const type = textIn(each, 'type');
    const status = textIn(each, 'status');
    if (!types.includes(type) || !isConditionStatus(status)) return [];
    const observed = ownValue(each, 'observedGeneration');
    const condition: Condition = {
      type,
      status,
      reason: textIn(each, 'reason'),
      message: textIn(each, 'message'),
      observedGeneration: typeof observed === 'number' ? observed : 0,
      lastTransitionTime: textIn(each, 'lastTransitionTime'),
    };
    return [condition];
  });
}

function isConditionStatus(text: string): text is Condition['status'] {
  return text === 'True' || text === 'False' || text === 'Unknown';
}
