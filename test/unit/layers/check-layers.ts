// Judges source files by the layer table. Pure: paths and texts in, one line for each violation out.

import { posix } from 'node:path';
import {
  COMPOSERS,
  isGenerated,
  LAYERS,
  layerOf,
  MAX_LINES,
  ONE_FILE_PACKAGES,
} from './layer-rules.ts';
import { sourceImports } from './source-imports.ts';

export type SourceFile = { readonly path: string; readonly text: string };

const COMPOSITION_ROOT = /^src\/(?:main|[a-z]+\/main)\.ts$/;

export function checkLayers(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap((file) => checkFile(file).map((problem) => `${file.path}: ${problem}`));
}

function checkFile({ path, text }: SourceFile): readonly string[] {
  const layer = layerOf(path);
  if (layer === undefined) return ['belongs to no layer of the table'];
  const { specifiers, unreadable } = sourceImports(text);
  return [
    ...checkLength(path, text),
    ...unreadable.map((form) => `imports by ${form}, which cannot be judged`),
    ...specifiers.flatMap((specifier) =>
      specifier.startsWith('.')
        ? checkPath(layer, posix.join(posix.dirname(path), specifier))
        : checkPackage(layer, path, specifier),
    ),
  ];
}

function checkLength(path: string, text: string): readonly string[] {
  const lines = text.trimEnd().split('\n').length;
  return lines > MAX_LINES && !isGenerated(path) ? [`has ${lines} lines, over ${MAX_LINES}`] : [];
}

function checkPath(layer: string, target: string): readonly string[] {
  const other = layerOf(target);
  if (other === undefined) return [`imports ${target}, which belongs to no layer of the table`];
  const problems: string[] = [];
  if (other !== layer && LAYERS[layer]?.layers.includes(other) !== true) {
    problems.push(`${layer} may not import ${other} (${target})`);
  }
  if (COMPOSITION_ROOT.test(target) && !COMPOSERS.has(layer)) {
    problems.push(`${layer} may not import a composition root (${target})`);
  }
  return problems;
}

function checkPackage(layer: string, path: string, specifier: string): readonly string[] {
  if (specifier.startsWith('node:')) return [];
  const [first = '', second] = specifier.split('/');
  const name = first.startsWith('@') ? `${first}/${second ?? ''}` : first;
  if (LAYERS[layer]?.packages.includes(name) !== true) {
    return [`${layer} may not import package ${name}`];
  }
  const only = ONE_FILE_PACKAGES.get(name);
  return only === undefined || only === path ? [] : [`only ${only} may import package ${name}`];
}
