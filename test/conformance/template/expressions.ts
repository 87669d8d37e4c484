// Random expressions of every type that a template knows.

import type { Choice } from './choice.ts';
import {
  BOOLS,
  COLLECTIONS,
  type Dot,
  ELEMENT_FIELDS,
  INTEGERS,
  OTHERS,
  STRINGS,
} from './template-fields.ts';
import { FORMATS, LAYOUTS, LITERALS, NUMBERS } from './template-words.ts';

export class Expressions {
  /** What is declared where the expression stands. */
  variables: string[] = [];
  readonly #choose: Choice;

  constructor(choose: Choice) {
    this.#choose = choose;
  }

  /** An expression of any type; in parentheses if it is a command. */
  any(depth: number, dot: Dot): string {
    switch (this.#choose.below(10)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return this.#string(depth, dot);
      case 4:
      case 5:
        return this.#integer(depth, dot);
      case 6:
        return this.#bool(depth, dot);
      case 7:
        return this.#choose.pick([...COLLECTIONS.map((path) => `$.${path}`), 'nil', '.']);
      case 8:
        return this.#choose.pick(this.variables.length > 0 ? this.variables : ['.', '$']);
      default:
        return `$.${this.#choose.pick(OTHERS)}`.replace(/\.$/, '');
    }
  }

  #string(depth: number, dot: Dot): string {
    const kind = this.#choose.below(depth > 0 ? 14 : 5);
    const inner = () => this.#string(depth - 1, dot);
    switch (kind) {
      case 0:
        return this.#choose.pick(LITERALS);
      case 1:
      case 2:
        return dot === 'data'
          ? `.${this.#choose.pick(STRINGS)}`
          : `$.${this.#choose.pick(STRINGS)}`;
      case 3: {
        const fields = ELEMENT_FIELDS[dot];
        return fields.length === 0 ? '.' : `.${this.#choose.pick(fields)}`;
      }
      case 4:
        return this.variables.length > 0 ? this.#choose.pick(this.variables) : '.';
      case 5:
        return `(${this.#choose.pick(['html', 'js', 'urlquery', 'print', 'println'])} ${inner()})`;
      case 6:
        return `(print ${this.any(depth - 1, dot)} ${this.any(depth - 1, dot)})`;
      case 7:
      case 8:
        return this.#printf(depth, dot);
      case 9:
        return `(index $.PodMeta.Labels ${inner()})`;
      case 10:
        return `(slice ${inner()} ${this.#choose.below(4)}${this.#choose.one(2) ? ` ${this.#choose.below(8)}` : ''})`;
      case 11:
        return `($.PodMeta.CreationTimestamp.Format ${this.#choose.pick(LAYOUTS)})`;
      case 12:
        return `(${this.#choose.pick(['and', 'or'])} ${inner()} ${inner()})`;
      default:
        return this.#choose.pick([
          '(index $.PodSpec.Containers 0).Name',
          '(index $.PodSpec.Containers 1).Image',
          '(index $.PodMeta.OwnerReferences 0).Kind',
          '(index $.PodMeta.Finalizers 0)',
          '(slice $.PodSpec.Containers 0 1)',
          '(slice $.PodMeta.Finalizers 0 1 1)',
          '(index $.NodeSpec.Taints 0).Key',
          '(index (index $.PodSpec.Containers 0).Command 0)',
          '(index $.PodMeta.Labels)',
          '(call $.PodMeta.Name)',
          '(call nil)',
          '(index nil 1)',
          '($.PodMeta.Labels.app)',
          '(index $.PodSpec.Overhead "cpu")',
        ]);
    }
  }

  #printf(depth: number, dot: Dot): string {
    const args = Array.from({ length: this.#choose.below(4) }, () => this.any(depth - 1, dot));
    const format =
      this.#choose.pick(FORMATS) + (this.#choose.one(3) ? this.#choose.pick(FORMATS) : '');
    return `(printf ${[JSON.stringify(format), ...args].join(' ')})`;
  }

  #integer(depth: number, dot: Dot): string {
    const kind = this.#choose.below(depth > 0 ? 6 : 3);
    if (kind < 2) return this.#choose.pick(NUMBERS.slice(0, this.#choose.one(2) ? 12 : undefined));
    if (kind < 4) return `$.${this.#choose.pick(INTEGERS)}`;
    if (kind === 4) return `(len ${this.any(depth - 1, dot)})`;
    return `(index ${this.#choose.pick(['"abc"', '$.PodMeta.Name', '$.PodSpec.SecurityContext.SupplementalGroups'])} ${this.#choose.below(4)})`;
  }

  #bool(depth: number, dot: Dot): string {
    const kind = this.#choose.below(depth > 0 ? 8 : 2);
    if (kind === 0) return this.#choose.pick(['true', 'false']);
    if (kind === 1) return `$.${this.#choose.pick(BOOLS)}`;
    if (kind === 2) return `(not ${this.any(depth - 1, dot)})`;
    const pair = this.#choose.one(3)
      ? [this.any(depth - 1, dot), this.any(depth - 1, dot)]
      : this.#choose.one(2)
        ? [this.#string(depth - 1, dot), this.#string(depth - 1, dot)]
        : [this.#integer(depth - 1, dot), this.#integer(depth - 1, dot)];
    const more = this.#choose.one(5) ? ` ${this.any(depth - 1, dot)}` : '';
    const operator = this.#choose.pick(['eq', 'eq', 'ne', 'lt', 'le', 'gt', 'ge', 'and', 'or']);
    return `(${operator} ${pair.join(' ')}${more})`;
  }
}
