// The short way for templates that are only text and plain fields, which is what nearly all are:
// strings read straight from the JSON. Anything unusual is left to the evaluator.

import { type JsonObject, ownValue } from './json-value.ts';
import type { Statement } from './parse/ast.ts';
import { DATA_TYPE, type TemplateData } from './template-data.ts';
import { type GoType, STRING } from './value/go-type.ts';

/** The output, or undefined when the evaluator must decide what it is. */
export type DirectRender = (data: TemplateData) => string | undefined;

/** UTF-16 units of output: under this no budget can be exceeded. */
const MAX_LENGTH = 8 * 1024;
const MAX_PARTS = 64;
const OBJECTS: ReadonlyMap<string, (data: TemplateData) => JsonObject | undefined> = new Map([
  ['PodMeta', (data: TemplateData) => data.pod?.metadata],
  ['PodSpec', (data: TemplateData) => data.pod?.spec],
  ['NodeMeta', (data: TemplateData) => data.node?.metadata],
  ['NodeSpec', (data: TemplateData) => data.node?.spec],
]);
const SETTINGS: ReadonlyMap<string, DirectRender> = new Map([
  ['TrustDomain', (data: TemplateData) => data.trustDomain],
  ['ClusterName', (data: TemplateData) => data.clusterName],
  ['ClusterDomain', (data: TemplateData) => data.clusterDomain],
]);

/** Undefined when the template has anything but text and plain fields. */
export function directRender(root: readonly Statement[]): DirectRender | undefined {
  const parts: DirectRender[] = [];
  for (const statement of root) {
    const part = directPart(statement);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  if (parts.length > MAX_PARTS) return undefined;
  return (data) => {
    let out = '';
    for (const part of parts) {
      const text = part(data);
      if (text?.isWellFormed() !== true) return undefined;
      out += text;
    }
    return out.length <= MAX_LENGTH ? out : undefined;
  };
}

function directPart(statement: Statement): DirectRender | undefined {
  if (statement.kind === 'text') {
    const { text } = statement;
    return () => text;
  }
  if (statement.kind !== 'action' || statement.pipe.variables.length > 0) return undefined;
  const [command, ...more] = statement.pipe.commands;
  const [word, ...args] = command?.words ?? [];
  if (word?.kind !== 'field' || more.length + args.length > 0) return undefined;
  const [root = '', fieldName, key, ...deeper] = word.names;
  if (deeper.length > 0) return undefined;
  if (fieldName === undefined) return SETTINGS.get(root);
  const object = OBJECTS.get(root);
  const field = typeOf(root)?.field(fieldName)?.[0];
  if (object === undefined || field?.json === undefined) return undefined;
  const read = { object, json: field.json };
  if (key === undefined) return field.type.kind === 'string' ? directField(read) : undefined;
  const isLabels = field.type.kind === 'map' && field.type.key === STRING;
  return isLabels && field.type.elem === STRING ? directKey(read, key) : undefined;
}

type Read = {
  readonly object: (data: TemplateData) => JsonObject | undefined;
  readonly json: string;
};

function directField({ object, json }: Read): DirectRender {
  return (data) => {
    const of = object(data);
    const text = of === undefined ? undefined : ownValue(of, json);
    return typeof text === 'string' ? text : undefined;
  };
}

function directKey({ object, json }: Read, key: string): DirectRender {
  return (data) => {
    const of = object(data);
    const map = of === undefined ? undefined : ownValue(of, json);
    if (typeof map !== 'object' || map === null || !Object.hasOwn(map, key)) return undefined;
    const text = (map as JsonObject)[key];
    return typeof text === 'string' && !Array.isArray(map) ? text : undefined;
  };
}

function typeOf(root: string): GoType | undefined {
  const pointer = DATA_TYPE.field(root)?.[0]?.type;
  return pointer?.kind === 'pointer' ? pointer.elem : undefined;
}
