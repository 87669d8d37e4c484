// A valid admission review; each test changes one thing of its request.

import { silentLogger } from '../../../../src/base/log.ts';
import { parseTrustDomain } from '../../../../src/spiffe/spiffe-id.ts';
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
} from '../../../../src/template/json-value.ts';
import { AdmissionCounts } from '../../../../src/webhook/server/admission-counts.ts';
import type { AdmissionContext } from '../../../../src/webhook/server/admission-routes.ts';
import { makePod, settings } from '../pod-fixtures.ts';

export const podRequest = {
  uid: '705ab4f5-6393-11e8-b7cc-42010a800002',
  operation: 'CREATE',
  kind: { group: '', version: 'v1', kind: 'Pod' },
  resource: { group: '', version: 'v1', resource: 'pods' },
  namespace: 'agents',
  object: makePod(),
  oldObject: null,
} as const;

export const policyRequest = {
  uid: podRequest.uid,
  operation: 'CREATE',
  kind: { group: 'spire.spiffe.io', version: 'v1alpha1', kind: 'ClusterSPIFFEID' },
  resource: { group: 'spire.spiffe.io', version: 'v1alpha1', resource: 'clusterspiffeids' },
} as const;

export function makeReview(request: JsonObject): JsonObject {
  return { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request };
}

/** `namespaces` maps those that are known to their labels. */
export function makeContext(
  namespaces: Readonly<Record<string, JsonObject>> = { agents: {} },
): AdmissionContext {
  return {
    settings,
    admission: {
      trustDomain: parseTrustDomain('example.org'),
      clusterName: 'test',
      clusterDomain: 'cluster.local',
    },
    namespaces: {
      labelsOf: (name) => (Object.hasOwn(namespaces, name) ? namespaces[name] : undefined),
    },
    counts: new AdmissionCounts(),
    log: silentLogger,
  };
}

/** The `response` of an answer's body. */
export function responseOf(body: string): JsonObject {
  const review = JSON.parse(body) as JsonValue;
  const response = isJsonObject(review) ? review['response'] : undefined;
  if (!isJsonObject(response)) throw new Error(`no response in ${body}`);
  return response;
}

/** A member that must be a text; `''` when it is not there. */
export function textOf(object: JsonObject, name: string): string {
  const value = object[name] ?? '';
  if (typeof value !== 'string') throw new Error(`${name} is no text`);
  return value;
}
