// What identifies an object of one kind, and how far a view of that kind has come.

import { CodedError } from '../base/errors.ts';
import { isJsonObject, type JsonObject, ownValue } from '../template/json-value.ts';

export type ObjectKey = { readonly namespace: string; readonly name: string };

export function metadataOf(object: JsonObject): JsonObject {
  const metadata = ownValue(object, 'metadata');
  return isJsonObject(metadata) ? metadata : {};
}

/** A string of the metadata; '' where there is none. */
export function metadataText(object: JsonObject, key: string): string {
  const value = ownValue(metadataOf(object), key);
  return typeof value === 'string' ? value : '';
}

/** Throws `unavailable`: the API server serves no object without a name. */
export function keyOfObject(object: JsonObject): ObjectKey {
  const name = metadataText(object, 'name');
  if (name === '') throw new CodedError('unavailable', 'an object has no name');
  return { namespace: metadataText(object, 'namespace'), name };
}

/** Resource versions are whole numbers that grow (KEP-5504). */
export function versionOf(object: JsonObject): bigint {
  const text = metadataText(object, 'resourceVersion');
  if (/^\d{1,19}$/.test(text)) return BigInt(text);
  throw new CodedError('unavailable', 'an object or list has no usable resourceVersion');
}

/** Half of a small object is who wrote which field. */
export function withoutManagedFields(object: JsonObject): JsonObject {
  const { managedFields: _, ...metadata } = metadataOf(object);
  return { ...object, metadata };
}
