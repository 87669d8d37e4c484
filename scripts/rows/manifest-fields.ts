// The fields that a manifest of some kind may have, as people write of them.

import type { StructuralSchema } from '../../src/crds/schema/structural-schema.ts';

/** Paths below `spec`, such as `match.owner.kind`, those below a list included. */
export function specFields(schema: StructuralSchema): readonly string[] {
  const spec = schema.properties?.['spec'];
  return spec === undefined ? [] : [...below(spec, '')];
}

function* below(schema: StructuralSchema, prefix: string): Generator<string> {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    yield `${prefix}${name}`;
    yield* below(property.items ?? property, `${prefix}${name}.`);
  }
}
