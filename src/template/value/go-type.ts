// Go's types as far as a policy can reach them, by Go's own notation (`*v1.Time`, `[]string`).
// A type is one object for its name, so types compare by identity.

import { FIELD_TABLE } from '../field-table.gen.ts';

export type Kind =
  | 'invalid'
  | 'bool'
  | 'int'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'float64'
  | 'string'
  | 'slice'
  | 'map'
  | 'pointer'
  | 'struct';

export type Field = {
  readonly name: string;
  /** Absent when the field is inline: its own fields are keys of the same JSON object. */
  readonly json: string | undefined;
  readonly type: GoType;
};

/** Beside FIELD_TABLE: what templates receive, and the exported fields of opaque structs. */
const OWN_LINES = [
  'signet.Data struct TrustDomain:trustDomain:string ClusterName:clusterName:string ClusterDomain:clusterDomain:string PodMeta:podMeta:*v1.ObjectMeta PodSpec:podSpec:*v1.PodSpec NodeMeta:nodeMeta:*v1.ObjectMeta NodeSpec:nodeSpec:*v1.NodeSpec',
  'intstr.IntOrString opaque Type:Type:intstr.Type IntVal:IntVal:int32 StrVal:StrVal:string',
  'intstr.Type int64',
  'resource.Format string',
  'resource.Quantity opaque Format:Format:resource.Format',
  'time.Time opaque',
  'time.Month int',
  'time.Weekday int',
  'v1.Time opaque Time:Time:time.Time',
];
const BASIC_KINDS: ReadonlySet<string> = new Set<Kind>([
  'bool',
  'int',
  'int32',
  'int64',
  'uint8',
  'float64',
  'string',
]);

export class GoType {
  readonly name: string;
  readonly kind: Kind;
  /** A struct whose JSON form is not an object of its fields, such as v1.Time. */
  readonly opaque: boolean;
  readonly #elem: string;
  readonly #key: string;
  readonly #fieldEntries: readonly string[];
  #fields: ReadonlyMap<string, readonly Field[]> | undefined;

  constructor(name: string, underlying: string) {
    const [word = '', ...entries] = underlying.split(' ');
    const map = /^map\[(.*?)\](.*)$/.exec(word);
    this.name = name;
    this.opaque = word === 'opaque';
    this.kind = map === null ? kindOf(word) : 'map';
    this.#key = map?.[1] ?? '';
    this.#elem = map?.[2] ?? word.replace(/^(\*|\[\])/, '');
    this.#fieldEntries = entries;
  }

  /** What a pointer, slice or map holds. */
  get elem(): GoType {
    return goType(this.#elem);
  }

  get key(): GoType {
    return goType(this.#key);
  }

  /** The way to a field: itself, or the embedded fields that lead to a promoted one. */
  field(name: string): readonly Field[] | undefined {
    this.#fields ??= this.#readFields();
    return this.#fields.get(name);
  }

  #readFields(): ReadonlyMap<string, readonly Field[]> {
    const fields = new Map<string, readonly Field[]>();
    const embedded: Field[] = [];
    for (const entry of this.#fieldEntries) {
      const [written = '', json = '', typeName = ''] = entry.split(':');
      const name = written.replace('+', '');
      const field = { name, json: json === '' ? undefined : json, type: goType(typeName) };
      fields.set(name, [field]);
      if (written.startsWith('+')) embedded.push(field);
    }
    for (const outer of embedded) {
      outer.type.#fields ??= outer.type.#readFields();
      for (const [name, path] of outer.type.#fields) {
        if (!fields.has(name)) fields.set(name, [outer, ...path]);
      }
    }
    return fields;
  }
}

const named = new Map(
  [...FIELD_TABLE, ...OWN_LINES].map((line) => {
    const space = line.indexOf(' ');
    return [line.slice(0, space), line.slice(space + 1)];
  }),
);
const types = new Map<string, GoType>();

/** The type that Go writes as `name`. */
export function goType(name: string): GoType {
  let type = types.get(name);
  if (type === undefined) {
    type = new GoType(name, named.get(name) ?? name);
    types.set(name, type);
  }
  return type;
}

export const INVALID = goType('<nil>');
export const BOOL = goType('bool');
export const INT = goType('int');
export const INT64 = goType('int64');
export const FLOAT64 = goType('float64');
export const STRING = goType('string');

function kindOf(word: string): Kind {
  if (word.startsWith('*')) return 'pointer';
  if (word.startsWith('[]')) return 'slice';
  if (word === 'struct' || word === 'opaque') return 'struct';
  if (word === '<nil>') return 'invalid';
  if (BASIC_KINDS.has(word)) return word as Kind;
  throw new TypeError(`the field table has no type ${word}`);
}
