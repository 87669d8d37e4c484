// A ClusterStaticEntry, read as upstream's controller reads it (compatibility B1–B10).

import { parseSpiffeId, type SpiffeId, type TrustDomain } from '../spiffe/spiffe-id.ts';
import type { JsonValue } from '../template/json-value.ts';
import { readSeconds, readTrustDomains } from './cluster-spiffe-id-policy.ts';
import { type FieldReader, parseObject } from './field-reader.ts';
import type { ParseResult, PolicyMeta } from './parse-result.ts';
import { checkSelectorForm } from './workload-selector.ts';

export type ClusterStaticEntry = PolicyMeta & {
  readonly className: string;
  readonly spiffeId: SpiffeId;
  readonly parentId: SpiffeId;
  /** Each once, in the order given. */
  readonly selectors: readonly string[];
  readonly federatesWith: readonly TrustDomain[];
  /** Whole seconds, 0: not set. */
  readonly x509TtlSeconds: number;
  readonly jwtTtlSeconds: number;
  readonly dnsNames: readonly string[];
  readonly hint: string;
  readonly isAdmin: boolean;
  readonly isDownstream: boolean;
  readonly isStored: boolean;
};

const NO_ID = parseSpiffeId('spiffe://invalid');

/** Reads a ClusterStaticEntry; the errors name each field and rule. */
export function parseClusterStaticEntry(
  object: JsonValue | undefined,
): ParseResult<ClusterStaticEntry> {
  return parseObject(object, (meta, spec) => ({
    ...meta,
    className: spec.text('className'),
    spiffeId: readId(spec, 'spiffeID'),
    parentId: readId(spec, 'parentID'),
    selectors: readSelectors(spec),
    federatesWith: readTrustDomains(spec, 'federatesWith'),
    x509TtlSeconds: readSeconds(spec, 'x509SVIDTTL'),
    jwtTtlSeconds: readSeconds(spec, 'jwtSVIDTTL'),
    dnsNames: spec.texts('dnsNames'),
    hint: spec.text('hint'),
    isAdmin: spec.boolean('admin'),
    isDownstream: spec.boolean('downstream'),
    isStored: spec.boolean('storeSVID'),
  }));
}

function readId(spec: FieldReader, field: string): SpiffeId {
  const text = spec.required(field);
  return text === '' ? NO_ID : spec.parsed(field, NO_ID, () => parseSpiffeId(text));
}

function readSelectors(spec: FieldReader): readonly string[] {
  const selectors = spec.texts('selectors');
  if (selectors.length === 0) spec.fail('selectors', 'must not be empty');
  for (const [index, selector] of selectors.entries()) {
    spec.parsed(`selectors[${index}]`, undefined, () => checkSelectorForm(selector));
  }
  return [...new Set(selectors)];
}
