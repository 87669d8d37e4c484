// What a template is executed with, and how the evaluator sees it.

import type { JsonObject } from './json-value.ts';
import { goType } from './value/go-type.ts';
import { OPERATOR } from './value/origin.ts';
import { type Value, value } from './value/value.ts';

/** What a template sees; Kubernetes objects in their raw JSON form. */
export type TemplateData = {
  readonly trustDomain: string;
  readonly clusterName: string;
  readonly clusterDomain: string;
  readonly pod?: { readonly metadata: JsonObject; readonly spec: JsonObject };
  readonly node?: { readonly metadata: JsonObject; readonly spec: JsonObject };
};

export const DATA_TYPE = goType('signet.Data');

/** An absent pod or node is a nil pointer for each of its two parts. */
export function dataValue(data: TemplateData): Value {
  const { trustDomain, clusterName, clusterDomain, pod, node } = data;
  const json: JsonObject = {
    trustDomain,
    clusterName,
    clusterDomain,
    podMeta: pod?.metadata,
    podSpec: pod?.spec,
    nodeMeta: node?.metadata,
    nodeSpec: node?.spec,
  };
  return value(DATA_TYPE, json, OPERATOR);
}
