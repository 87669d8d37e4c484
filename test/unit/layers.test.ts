// The layer table, checked over the sources; and the checker itself, so that it is known to fail.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkLayers, type SourceFile } from './layers/check-layers.ts';
import { LAYERS } from './layers/layer-rules.ts';
import { sourceImports } from './layers/source-imports.ts';

const root = join(import.meta.dirname, '../..');

test('every import of every source file is one the layer table allows', () => {
  const files = [...sources('src'), ...sources('client/src')];
  assert.ok(files.length > 100, 'the sources were found');
  assert.deepEqual(checkLayers(files), []);
});

test('the layer table has no cycle', () => {
  const open = new Set<string>();
  const visit = (name: string): void => {
    assert.ok(!open.has(name), `cycle: ${[...open, name].join(' -> ')}`);
    open.add(name);
    for (const next of LAYERS[name]?.layers ?? []) visit(next);
    open.delete(name);
  };
  for (const name of Object.keys(LAYERS)) visit(name);
});

test('every layer the table names is a layer of the table', () => {
  const named = Object.values(LAYERS).flatMap(({ layers }) => layers);
  assert.deepEqual(
    named.filter((name) => !Object.hasOwn(LAYERS, name)),
    [],
  );
});

type Planted = {
  readonly name: string;
  readonly path: string;
  readonly text: string;
  readonly expected: readonly RegExp[];
};

const PLANTED: readonly Planted[] = [
  {
    name: 'an import of a higher layer',
    path: 'src/spiffe/a.ts',
    text: "import { x } from '../crds/b.ts';",
    expected: [/spiffe may not import crds \(src\/crds\/b\.ts\)/],
  },
  {
    name: 'an import of types alone',
    path: 'src/node/a.ts',
    text: "import type {\n  X,\n  Y,\n} from '../issuer/b.ts';",
    expected: [/node may not import issuer/],
  },
  {
    name: 'a re-export',
    path: 'src/base/a.ts',
    text: "export * from '../spiffe/b.ts';",
    expected: [/base may not import spiffe/],
  },
  {
    name: 'a dynamic import',
    path: 'src/issuer/a.ts',
    text: "const x = await import('../node/b.ts');",
    expected: [/issuer may not import node/],
  },
  {
    name: 'a dynamic import of something computed',
    path: 'src/issuer/a.ts',
    text: 'const x = await import(path);',
    expected: [/cannot be judged/],
  },
  {
    name: 'require',
    path: 'src/base/a.ts',
    text: "const x = require('fastify');",
    expected: [/cannot be judged/],
  },
  {
    name: 'a package that the layer may not use',
    path: 'src/template/a.ts',
    text: "import { RE2JS } from 're2js';",
    expected: [/template may not import package re2js/],
  },
  {
    name: 'a web framework in the issuer',
    path: 'src/issuer/a.ts',
    text: "import fastify from 'fastify';",
    expected: [/issuer may not import package fastify/],
  },
  {
    name: 'a part of a scoped package',
    path: 'src/node/a.ts',
    text: "import { x } from '@grpc/grpc-js/build/src/x.js';",
    expected: [/node may not import package @grpc\/grpc-js/],
  },
  {
    name: 'a package of one file in a second one of its layer',
    path: 'src/spiffe/bundle/a.ts',
    text: "import 'reflect-metadata';\nimport * as x509 from '@peculiar/x509';",
    expected: [
      /only src\/spiffe\/authority\/x509-authority\.ts may import package reflect-metadata/,
      /@peculiar\/x509/,
    ],
  },
  {
    name: 'a composition root of the own layer',
    path: 'src/node/a.ts',
    text: "import { runNodePlugin } from './main.ts';",
    expected: [/node may not import a composition root/],
  },
  {
    name: 'a folder that the table does not know',
    path: 'src/utils/a.ts',
    text: '',
    expected: [/belongs to no layer/],
  },
  {
    name: 'a way out of the sources',
    path: 'src/base/a.ts',
    text: "import { FakeClock } from '../../test/fakes/fake-clock.ts';",
    expected: [/imports test\/fakes\/fake-clock\.ts, which belongs to no layer/],
  },
  {
    name: 'a file that is too long',
    path: 'src/base/a.ts',
    text: 'x;\n'.repeat(251),
    expected: [/has 251 lines, over 250/],
  },
];
for (const { name, path, text, expected } of PLANTED) {
  test(`the checker refuses ${name}`, () => {
    const problems = checkLayers([{ path, text }]);
    assert.equal(problems.length, expected.length, problems.join('\n'));
    for (const pattern of expected)
      assert.ok(
        problems.some((line) => pattern.test(line)),
        `${pattern}`,
      );
  });
}

const FINE: readonly (SourceFile & { readonly name: string })[] = [
  {
    name: 'an allowed layer',
    path: 'src/identity/a.ts',
    text: "import { x } from '../crds/b.ts';",
  },
  { name: 'its own layer', path: 'src/node/csi/a.ts', text: "import { x } from '../volume/b.ts';" },
  { name: "Node's built-ins", path: 'src/template/a.ts', text: "import { x } from 'node:fs';" },
  {
    name: 'an import in a comment',
    path: 'src/base/a.ts',
    text: "// import 'fastify'\n/* import 'x' */",
  },
  {
    name: 'a composition root in dev',
    path: 'src/dev/a.ts',
    text: "import { x } from '../node/main.ts';",
  },
  { name: 'a file of exactly the limit', path: 'src/base/a.ts', text: 'x;\n'.repeat(250) },
  {
    name: 'a generated file over the limit',
    path: 'src/template/a.gen.ts',
    text: 'x;\n'.repeat(900),
  },
];
for (const { name, path, text } of FINE) {
  test(`the checker accepts ${name}`, () => assert.deepEqual(checkLayers([{ path, text }]), []));
}

test('every form of import is read from a source', () => {
  const source = [
    "import a from 'one';",
    "import { type B, c } from './two.ts';",
    "import 'three';",
    "export { d } from './four.ts';",
    "type E = import('./five.ts').E;",
    'import type {\n  F,\n} from "six";',
  ].join('\n');
  assert.deepEqual(sourceImports(source).specifiers.toSorted(), [
    './five.ts',
    './four.ts',
    './two.ts',
    'one',
    'six',
    'three',
  ]);
});

function sources(folder: string): readonly SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => ({
      path: `${folder}/${name}`,
      text: readFileSync(join(root, folder, name), 'utf8'),
    }));
}
