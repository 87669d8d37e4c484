// The envelope of an admission request, as the API server sends it (admission.k8s.io/v1). Read by own
// properties, and strictly: what is not exactly a review is refused before anybody decides on it.

import { invalid } from '../../base/errors.ts';
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  ownValue,
} from '../../template/json-value.ts';

export const ADMISSION_API_VERSION = 'admission.k8s.io/v1';
export const ADMISSION_KIND = 'AdmissionReview';

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

export type GroupKind = { readonly group: string; readonly version: string; readonly kind: string };

export type AdmissionReview = {
  /** Goes back with the answer. */
  readonly uid: string;
  readonly operation: Operation;
  readonly kind: GroupKind;
  /** `pods`, and in `subResource` for instance `ephemeralcontainers`; else `''`. */
  readonly resource: string;
  readonly subResource: string;
  /** `''` for objects without one. */
  readonly namespace: string;
  readonly object: JsonValue;
  readonly oldObject: JsonValue;
  readonly dryRun: boolean;
};

const OPERATIONS: readonly Operation[] = ['CREATE', 'UPDATE', 'DELETE', 'CONNECT'];
/** Longer than any name that Kubernetes allows. */
const MAX_NAME = 253;

/** Throws `invalid-argument` naming the field and its rule. */
export function parseAdmissionReview(value: JsonValue): AdmissionReview {
  if (!isJsonObject(value)) throw invalid('body: must be an object');
  if (ownValue(value, 'apiVersion') !== ADMISSION_API_VERSION) {
    throw invalid(`apiVersion: must be ${ADMISSION_API_VERSION}`);
  }
  if (ownValue(value, 'kind') !== ADMISSION_KIND) throw invalid(`kind: must be ${ADMISSION_KIND}`);
  const request = readObject(value, 'request');
  const resource = readObject(request, 'resource');
  const uid = readName(request, 'uid');
  if (uid === '') throw invalid('request.uid: missing');
  return {
    uid,
    operation: readOperation(request),
    kind: readKind(readObject(request, 'kind')),
    resource: readName(resource, 'resource'),
    subResource: readName(request, 'subResource'),
    namespace: readName(request, 'namespace'),
    object: readRaw(request, 'object'),
    oldObject: readRaw(request, 'oldObject'),
    dryRun: readFlag(request, 'dryRun'),
  };
}

function readKind(kind: JsonObject): GroupKind {
  return {
    group: readName(kind, 'group'),
    version: readName(kind, 'version'),
    kind: readName(kind, 'kind'),
  };
}

function readOperation(request: JsonObject): Operation {
  const name = ownValue(request, 'operation');
  const operation = OPERATIONS.find((each) => each === name);
  if (operation === undefined) throw invalid('request.operation: not an operation');
  return operation;
}

function readObject(parent: JsonObject, name: string): JsonObject {
  const value = ownValue(parent, name);
  if (!isJsonObject(value)) throw invalid(`${name}: must be an object`);
  return value;
}

/** Go leaves empty strings out. */
function readName(parent: JsonObject, name: string): string {
  const value = ownValue(parent, name) ?? '';
  if (typeof value !== 'string') throw invalid(`${name}: must be a string`);
  if (value.length > MAX_NAME) throw invalid(`${name}: longer than ${MAX_NAME}`);
  return value;
}

function readFlag(parent: JsonObject, name: string): boolean {
  const value = ownValue(parent, name) ?? false;
  if (typeof value !== 'boolean') throw invalid(`${name}: must be true or false`);
  return value;
}

function readRaw(parent: JsonObject, name: string): JsonValue {
  const value = ownValue(parent, name) ?? null;
  if (value !== null && !isJsonObject(value)) throw invalid(`${name}: must be an object or null`);
  return value;
}
