// The state of one rendering: variables, what has been written, what it may still cost, and whose
// decision it is that the present statement runs.

import { invalid } from '../../base/errors.ts';
import { Budget } from '../budget.ts';
import type { Span } from '../parse/ast.ts';
import { type Provenance, type Run, weaker } from '../provenance.ts';
import { chosen, formatSource, OPERATOR, type Origin } from '../value/origin.ts';
import { type Value, withOrigin } from '../value/value.ts';

type Variable = { readonly name: string; value: Value };

export class Execution {
  readonly budget = new Budget();
  /** What is being evaluated, for the error that may come of it. */
  at: Span = { at: 0, end: 0 };
  /** How forgeable the decisions are that led to the present statement. */
  chooser: Provenance = 'operator';
  readonly #runs: Run[] | undefined;
  #out = '';
  #variables: Variable[] = [];

  constructor(isTraced: boolean) {
    this.#runs = isTraced ? [] : undefined;
  }

  get output(): string {
    return this.#out;
  }

  get runs(): readonly Run[] {
    return this.#runs ?? [];
  }

  write(text: string, origin: Origin): void {
    if (!text.isWellFormed()) throw invalid('the output would not be UTF-8');
    this.budget.spend(text);
    this.#out += text;
    if (this.#runs !== undefined && text !== '') this.#trace(text, origin);
  }

  /** Position to come back to when the variables declared from here on end. */
  mark(): number {
    return this.#variables.length;
  }

  release(mark: number): void {
    this.#variables.length = mark;
  }

  /** Runs a template body, which sees no variable but `$`. */
  isolated(dollar: Value, run: () => void): void {
    const outer = this.#variables;
    this.#variables = [];
    this.declare('$', dollar);
    this.budget.enter();
    run();
    this.budget.leave();
    this.#variables = outer;
  }

  declare(name: string, of: Value): void {
    this.#variables.push({ name, value: this.#chosen(of) });
  }

  assign(name: string, of: Value): void {
    this.#variable(name).value = this.#chosen(of);
  }

  /** Sets the variable declared last but `depth`. */
  setTop(depth: number, of: Value): void {
    const variable = this.#variables.at(-1 - depth);
    if (variable === undefined) throw new TypeError('no variable was declared');
    variable.value = this.#chosen(of);
  }

  read(name: string): Value {
    return this.#variable(name).value;
  }

  /** Marks variables as decided by the present chooser: a branch not taken might have set them. */
  taint(names: ReadonlySet<string>): void {
    for (const variable of this.#variables) {
      if (names.has(variable.name)) variable.value = this.#chosen(variable.value);
    }
  }

  #variable(name: string): Variable {
    const found = this.#variables.findLast((variable) => variable.name === name);
    if (found === undefined) throw invalid(`undefined variable: ${name}`);
    return found;
  }

  #chosen(of: Value): Value {
    return withOrigin(of, chosen(of.origin, this.chooser));
  }

  #trace(text: string, origin: Origin): void {
    const chosenBy = weaker(origin.chosenBy, this.chooser);
    const run: Run = {
      text,
      from: origin.from,
      ...(origin.source === undefined ? {} : { source: formatSource(origin.source) }),
      ...(chosenBy === OPERATOR.chosenBy ? {} : { chosenBy }),
    };
    const last = this.#runs?.at(-1);
    if (last !== undefined && isSameTag(last, run)) {
      this.#runs?.splice(-1, 1, { ...last, text: last.text + text });
    } else {
      this.#runs?.push(run);
    }
  }
}

function isSameTag(a: Run, b: Run): boolean {
  return a.from === b.from && a.source === b.source && a.chosenBy === b.chosenBy;
}
