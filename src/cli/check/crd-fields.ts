// Whether the served CRDs still have our fields: another tool that applies its own version of a shared
// CRD makes API servers drop what it does not know.

import { KINDS } from '../../crds/custom-resource-definition.ts';
import type { StructuralSchema } from '../../crds/schema/structural-schema.ts';
import type { JsonObject } from '../../template/json-value.ts';
import { objectAt, objectsIn, textAt } from '../cluster/reader.ts';
import { type Check, fail, ok, someOf, type Verdict } from './finding.ts';

export const CRD_FIELDS: Check = {
  name: 'crd-fields',
  run: async ({ reader }) => {
    const verdicts: Verdict[] = [];
    for (const { plural, group, schema } of KINDS) {
      const name = `${plural}.${group}`;
      const crd = await reader.get(
        `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`,
      );
      verdicts.push(judge(name, crd, schema));
    }
    return verdicts;
  },
};

function judge(name: string, crd: JsonObject | undefined, schema: StructuralSchema): Verdict {
  const hint = 'apply the CRDs of this version again, and see who applies others';
  if (crd === undefined) return fail(`${name}: not there`, hint);
  const version = objectsIn(objectAt(crd, 'spec'), 'versions').find(
    (each) => textAt(each, 'name') === 'v1alpha1',
  );
  const missing = missingFields(schema, objectAt(version ?? {}, 'schema', 'openAPIV3Schema'), '');
  if (missing.length === 0) return ok(`${name}: complete`);
  return fail(`${name}: lacks ${someOf(missing)}: what policies say there is dropped`, hint);
}

/** Paths of fields that ours has and the served one has not. */
export function missingFields(
  ours: StructuralSchema,
  served: JsonObject,
  path: string,
): readonly string[] {
  if (served['x-kubernetes-preserve-unknown-fields'] === true) return [];
  return [
    ...Object.entries(ours.properties ?? {}).flatMap(([name, schema]) => {
      // API servers fill these in themselves.
      if (path === '' && ['apiVersion', 'kind', 'metadata'].includes(name)) return [];
      const at = path === '' ? name : `${path}.${name}`;
      const properties = objectAt(served, 'properties');
      if (!Object.hasOwn(properties, name)) return [at];
      return missingFields(schema, objectAt(properties, name), at);
    }),
    ...(ours.items === undefined
      ? []
      : missingFields(ours.items, objectAt(served, 'items'), `${path}[]`)),
  ];
}
