// Objects of our kinds with one field set, and the request that creates them.

import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import type { JsonObject, JsonValue } from '../../../src/template/json-value.ts';
import { validateCustomResource } from '../../../src/webhook/validate-custom-resource.ts';
import { makePolicy } from '../crds/manifest-fixtures.ts';

export const settings = {
  trustDomain: parseTrustDomain('example.org'),
  clusterName: 'test',
  clusterDomain: 'cluster.local',
};

export function create(object: JsonObject) {
  const { kind } = object;
  if (typeof kind !== 'string') throw new Error('a fixture without a kind');
  return validateCustomResource(
    { operation: 'CREATE', kind, object, oldObject: undefined },
    settings,
  );
}

export const id = (spiffeIDTemplate: string) => makePolicy({ spiffeIDTemplate });
export const select = (matchExpressions: JsonValue) =>
  makePolicy({ podSelector: { matchExpressions } });
export const dns = (name: string) => makePolicy({ dnsNameTemplates: [name] });

export const TD = 'spiffe://{{ .TrustDomain }}';
