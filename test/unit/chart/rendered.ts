// The chart as objects. What needs helm is skipped by name where it is missing, never in CI.

import { parseAllDocuments } from 'yaml';
import { findHelm, helmTemplate } from '../../../scripts/chart/helm.ts';
import type { JsonObject, JsonValue } from '../../../src/template/json-value.ts';

export const HELM = findHelm() ?? '';
export const NEEDS_HELM =
  HELM === '' && process.env['CI'] !== 'true' ? { skip: 'helm is not on the PATH' } : {};

const REQUIRED = 'trustDomain=example.org';

export function render(...values: readonly string[]): readonly JsonObject[] {
  return parse(helmTemplate(HELM, [REQUIRED, ...values]));
}

export function parse(text: string): readonly JsonObject[] {
  return parseAllDocuments(text).flatMap((document): readonly JsonObject[] => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    const object = document.toJSON() as JsonObject | null;
    return object === null ? [] : [object];
  });
}

export function at(
  value: JsonValue | undefined,
  ...path: readonly string[]
): JsonValue | undefined {
  let found = value;
  for (const key of path) {
    found = typeof found === 'object' && found !== null ? (found as JsonObject)[key] : undefined;
  }
  return found;
}

export function textAt(value: JsonValue | undefined, ...path: readonly string[]): string {
  const found = at(value, ...path);
  return typeof found === 'string' ? found : '';
}

export function listAt(value: JsonValue | undefined, ...path: readonly string[]): JsonObject[] {
  return (at(value, ...path) ?? []) as JsonObject[];
}

export function named(objects: readonly JsonObject[], kind: string, name: string): JsonObject {
  const found = objects.find(
    (each) => each['kind'] === kind && at(each, 'metadata', 'name') === name,
  );
  if (found === undefined) throw new Error(`no ${kind} ${name}`);
  return found;
}

/** Pod specs by kind and name of what makes the pods. */
export function podSpecs(objects: readonly JsonObject[]): ReadonlyMap<string, JsonObject> {
  const paths: Readonly<Record<string, readonly string[]>> = {
    Pod: ['spec'],
    Deployment: ['spec', 'template', 'spec'],
    DaemonSet: ['spec', 'template', 'spec'],
    Job: ['spec', 'template', 'spec'],
    CronJob: ['spec', 'jobTemplate', 'spec', 'template', 'spec'],
  };
  return new Map(
    objects.flatMap((object): readonly (readonly [string, JsonObject])[] => {
      const kind = textAt(object, 'kind');
      const path = paths[kind];
      if (path === undefined) return [];
      return [[`${kind}/${textAt(object, 'metadata', 'name')}`, at(object, ...path) as JsonObject]];
    }),
  );
}
