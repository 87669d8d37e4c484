// A policy's text template, parsed once and rendered per pod.

import { CodedError, invalid } from '../base/errors.ts';
import { isJsonObject, type JsonObject, ownValue } from './json-value.ts';
import type { Provenance, Run } from './provenance.ts';

export type { JsonObject } from './json-value.ts';
export type { Provenance, Run } from './provenance.ts';

/** What a template sees; Kubernetes objects in their raw JSON form. */
export type TemplateData = {
  readonly trustDomain: string;
  readonly clusterName: string;
  readonly clusterDomain: string;
  readonly pod?: { readonly metadata: JsonObject; readonly spec: JsonObject };
  readonly node?: { readonly metadata: JsonObject; readonly spec: JsonObject };
};

type Part = { readonly text: string } | { readonly path: readonly string[] };

export class Template {
  readonly name: string;
  readonly source: string;
  readonly fields: ReadonlySet<string>;
  readonly #parts: readonly Part[];

  constructor(name: string, source: string, parts: readonly Part[]) {
    this.name = name;
    this.source = source;
    this.#parts = parts;
    this.fields = new Set(parts.flatMap((part) => ('path' in part ? [part.path.join('.')] : [])));
  }

  render(data: TemplateData): string {
    return this.trace(data)
      .map((run) => run.text)
      .join('');
  }

  trace(data: TemplateData): readonly Run[] {
    return this.#parts.map((part) =>
      'text' in part ? { text: part.text, from: 'operator' } : this.#run(data, part.path),
    );
  }

  #run(data: TemplateData, path: readonly string[]): Run {
    const source = `.${path.join('.')}`;
    const [root = '', goName = ''] = path;
    if (root === 'TrustDomain') return { text: data.trustDomain, from: 'operator', source };
    if (root === 'ClusterName') return { text: data.clusterName, from: 'operator', source };
    if (root === 'ClusterDomain') return { text: data.clusterDomain, from: 'operator', source };
    const owner = root.startsWith('Pod') ? data.pod : data.node;
    const object = root.endsWith('Meta') ? owner?.metadata : owner?.spec;
    const jsonName = goName === 'UID' ? 'uid' : goName.charAt(0).toLowerCase() + goName.slice(1);
    let value = object === undefined ? undefined : ownValue(object, jsonName);
    if (path.length === 3 && isJsonObject(value)) {
      value = ownValue(value, path[2] ?? '') ?? '<no value>';
    }
    if (typeof value === 'string' || value === undefined) {
      return { text: value ?? '', from: provenanceOf(root, goName), source };
    }
    throw new CodedError('invalid-argument', `${this.name}: ${source} is not a string`, {
      reason: 'RenderFailed',
    });
  }
}

export function parseTemplate(name: string, source: string): Template {
  const parts: Part[] = [];
  let at = 0;
  for (const match of source.matchAll(/\{\{ *((?:\.\w+)+) *\}\}/g)) {
    if (match.index > at) parts.push({ text: source.slice(at, match.index) });
    parts.push({ path: (match[1] ?? '').slice(1).split('.') });
    at = match.index + match[0].length;
  }
  const rest = source.slice(at);
  if (rest.includes('{{')) throw invalid(`${name}: line 1: not a chain of fields`);
  if (rest !== '') parts.push({ text: rest });
  return new Template(name, source, parts);
}

function provenanceOf(root: string, goName: string): Provenance {
  if (root.startsWith('Node') || goName === 'Annotations') return 'node';
  return goName === 'Namespace' || goName === 'UID' ? 'api' : 'author';
}
