// The CustomResourceDefinitions: what an API server demands of them, and that their files are fresh.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import {
  customResourceDefinition,
  findKind,
  KINDS,
} from '../../../src/crds/custom-resource-definition.ts';
import type { StructuralSchema } from '../../../src/crds/schema/structural-schema.ts';

/** Every schema below `schema`, with its field. */
function* walk(schema: StructuralSchema, field: string): Generator<[string, StructuralSchema]> {
  yield [field, schema];
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    yield* walk(property, `${field}.${name}`);
  }
  if (schema.items !== undefined) yield* walk(schema.items, `${field}[]`);
}

suite('definitions', () => {
  for (const kind of KINDS) {
    test(`${kind.kind}: every field is described with an example`, () => {
      const bare = [...walk(kind.schema, '')]
        .filter(([, { description = '' }]) => !/Example: \S/.test(description))
        .map(([field]) => field)
        .filter((field) => field !== '.metadata' && !field.endsWith('[]'));
      // Items that are plain strings are described by their list.
      assert.deepEqual(bare, []);
    });

    test(`${kind.kind}: no schema has both fields and free names`, () => {
      for (const [field, { properties, additionalProperties }] of walk(kind.schema, '')) {
        assert.equal(properties !== undefined && additionalProperties !== undefined, false, field);
      }
    });

    test(`${kind.kind}: required fields exist`, () => {
      for (const [field, { required = [], properties = {} }] of walk(kind.schema, '')) {
        for (const name of required) assert.ok(Object.hasOwn(properties, name), `${field}.${name}`);
      }
    });

    test(`${kind.kind}: cluster-scoped, with a status subresource`, () => {
      const { metadata, spec } = customResourceDefinition(kind);
      assert.equal(metadata.name, `${kind.plural}.${kind.group}`);
      assert.equal(spec.scope, 'Cluster');
      assert.deepEqual(spec.versions[0]?.subresources, { status: {} });
    });
  }

  test('A1–A14: upstream’s fields, and ours beside them', () => {
    const spec = findKind('spire.spiffe.io', 'ClusterSPIFFEID')?.schema.properties?.['spec'];
    const ours = [
      'priority',
      'jwtClaimTemplates',
      'jwtClaimsFromAuthors',
      'commonNameTemplate',
      'federatesWithSelector',
      'jwtIncludeJTI',
    ];
    const upstream =
      'spiffeIDTemplate podSelector namespaceSelector dnsNameTemplates workloadSelectorTemplates ttl jwtTtl federatesWith admin downstream autoPopulateDNSNames className fallback hint';
    assert.deepEqual(Object.keys(spec?.properties ?? {}), [...upstream.split(' '), ...ours]);
    assert.deepEqual(spec?.required, ['spiffeIDTemplate']);
  });

  test('A20–A26: upstream’s numbers', () => {
    const status = findKind('spire.spiffe.io', 'ClusterSPIFFEID')?.schema.properties?.['status'];
    assert.deepEqual(Object.keys(status?.properties?.['stats']?.properties ?? {}), [
      'namespacesSelected',
      'namespacesIgnored',
      'podsSelected',
      'podEntryRenderFailures',
      'entriesMasked',
      'entriesToSet',
      'entryFailures',
    ]);
  });

  test('B11–B13: upstream’s required status', () => {
    const kind = findKind('spire.spiffe.io', 'ClusterStaticEntry');
    assert.deepEqual(kind?.schema.properties?.['status']?.required, ['rendered', 'masked', 'set']);
  });

  test('a kind of another group is not ours', () => {
    assert.equal(findKind('example.org', 'ClusterSPIFFEID'), undefined);
  });

  test('the files are what the schemas make', () => {
    const script = join(import.meta.dirname, '../../../scripts/generate-crds.ts');
    execFileSync(process.execPath, ['--conditions=source', script, '--check']);
  });
});
