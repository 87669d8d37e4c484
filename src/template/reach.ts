// Which fields a template can reach, by its text alone: the pod store keeps these and no others.
// It may find too many, never too few. Elements of slices and maps count as the whole of it.

import type { Command, Operand, Parsed, Pipe, Statement } from './parse/ast.ts';
import { DATA_TYPE } from './template-data.ts';
import type { GoType } from './value/go-type.ts';
import { getterField } from './value/methods.ts';

/** The place of a value in the data. */
type Place = { readonly path: string; readonly type: GoType };
type Places = ReadonlySet<Place>;
/** Where a statement stands: the template, for its variables, and what dot may be there. */
type Scope = { readonly template: string; readonly dot: Places };

const NOWHERE: Places = new Set();
/** The template itself; one defined by this name is only taken to reach more than it does. */
const ROOT = '\0';
/** Facts only grow, and by the order of the text; what needs more passes reaches everything. */
const MAX_PASSES = 32;
const EVERYTHING = [
  'TrustDomain',
  'ClusterName',
  'ClusterDomain',
  'PodMeta',
  'PodSpec',
  'NodeMeta',
  'NodeSpec',
];

/** Go paths; one that ends at a struct, slice or map means all of it. */
export function reachableFields(parsed: Parsed): ReadonlySet<string> {
  return new Reach(parsed).run();
}

class Reach {
  readonly #parsed: Parsed;
  readonly #fields = new Set<string>();
  readonly #places = new Map<string, Place>();
  /** What variables may hold, by template and name; `$` is the dot that the template starts with. */
  readonly #variables = new Map<string, Set<Place>>();
  #hasGrown = false;

  constructor(parsed: Parsed) {
    this.#parsed = parsed;
  }

  run(): ReadonlySet<string> {
    this.#remember(ROOT, '$', new Set([this.#place('', DATA_TYPE)]));
    for (let pass = 0; pass < MAX_PASSES; pass++) {
      this.#hasGrown = false;
      this.#template(ROOT, this.#parsed.root);
      for (const [name, body] of this.#parsed.templates) this.#template(name, body);
      if (!this.#hasGrown) return withoutCovered(this.#fields);
    }
    return new Set(EVERYTHING);
  }

  #template(template: string, body: readonly Statement[]): void {
    const dot = this.#variables.get(`${template} $`);
    if (dot !== undefined) this.#visit(body, { template, dot });
  }

  #visit(statements: readonly Statement[], scope: Scope): void {
    for (const statement of statements) this.#statement(statement, scope);
  }

  #statement(statement: Statement, scope: Scope): void {
    switch (statement.kind) {
      case 'action': {
        const result = this.#pipe(statement.pipe, scope);
        if (statement.pipe.variables.length === 0) this.#use(result);
        break;
      }
      case 'if':
      case 'with':
        for (const { pipe, body } of statement.branches) {
          const condition = this.#pipe(pipe, scope);
          this.#test(condition);
          this.#visit(body, statement.kind === 'with' ? { ...scope, dot: condition } : scope);
        }
        this.#visit(statement.otherwise, scope);
        break;
      case 'range': {
        const elements = this.#pipe(statement.pipe, scope);
        this.#use(elements);
        this.#visit(statement.body, { ...scope, dot: elements });
        this.#visit(statement.otherwise, scope);
        break;
      }
      case 'template': {
        const { name, pipe } = statement;
        this.#remember(name, '$', pipe === undefined ? NOWHERE : this.#pipe(pipe, scope));
        break;
      }
      case 'text':
      case 'break':
      case 'continue':
        break;
    }
  }

  #pipe(pipe: Pipe, scope: Scope): Places {
    let piped = NOWHERE;
    for (const command of pipe.commands) piped = this.#command(command, scope, piped);
    for (const name of pipe.variables) this.#remember(scope.template, name, piped);
    return piped;
  }

  #command({ words: [head, ...args] }: Command, scope: Scope, piped: Places): Places {
    const given = args.map((arg) => this.#operand(arg, scope)).concat(piped);
    if (head.kind !== 'function') {
      for (const argument of given) this.#use(argument);
      return this.#operand(head, scope);
    }
    const isLogic = head.name === 'and' || head.name === 'or';
    for (const argument of given) {
      if (isLogic) this.#test(argument);
      else this.#use(argument);
    }
    const givesArgument = isLogic || head.name === 'index' || head.name === 'slice';
    return givesArgument ? new Set(given.flatMap((places) => [...places])) : NOWHERE;
  }

  #operand(operand: Operand, scope: Scope): Places {
    switch (operand.kind) {
      case 'dot':
        return scope.dot;
      case 'field':
        return this.#chain(scope.dot, operand.names);
      case 'variable':
        return this.#chain(this.#recall(scope.template, operand.name), operand.names);
      case 'pipe':
        return this.#pipe(operand.pipe, scope);
      case 'chain':
        return this.#chain(this.#operand(operand.of, scope), operand.names);
      case 'function':
      case 'bool':
      case 'nil':
      case 'number':
      case 'string':
        return NOWHERE;
    }
  }

  #chain(places: Places, names: readonly string[]): Places {
    let at = places;
    for (const name of names) {
      at = new Set([...at].flatMap((place) => this.#field(place, name)));
    }
    return at;
  }

  /** A field of a struct; anything else is part of the place it is in, or fails to render. */
  #field(place: Place, name: string): readonly Place[] {
    const struct = place.type.kind === 'pointer' ? place.type.elem : place.type;
    if (struct.kind !== 'struct' || struct.opaque) return [place];
    const field = struct.field(getterField(name) ?? name)?.at(-1);
    if (field === undefined) return [];
    return [
      this.#place(place.path === '' ? field.name : `${place.path}.${field.name}`, field.type),
    ];
  }

  /** What is printed, compared, ranged over or given to a function. */
  #use(places: Places): void {
    for (const { path } of places) if (path !== '') this.#fields.add(path);
  }

  /** Whether there is a pod or node shows without any of its fields. */
  #test(places: Places): void {
    for (const { path, type } of places) {
      if (path.includes('.') || type.kind !== 'pointer') this.#use(new Set([{ path, type }]));
    }
  }

  #remember(template: string, name: string, places: Places): void {
    const key = `${template} ${name}`;
    const known = this.#variables.get(key);
    const all = known ?? new Set();
    const before = all.size;
    for (const place of places) all.add(place);
    if (known === undefined) this.#variables.set(key, all);
    if (known === undefined || all.size > before) this.#hasGrown = true;
  }

  #recall(template: string, name: string): Places {
    return this.#variables.get(`${template} ${name}`) ?? NOWHERE;
  }

  #place(path: string, type: GoType): Place {
    const known = this.#places.get(path) ?? { path, type };
    this.#places.set(path, known);
    return known;
  }
}

/** Without the paths that another one has all of. */
function withoutCovered(paths: ReadonlySet<string>): ReadonlySet<string> {
  const isCovered = (path: string) =>
    [...path.matchAll(/\./g)].some(({ index }) => paths.has(path.slice(0, index)));
  return new Set([...paths].filter((path) => !isCovered(path)));
}
