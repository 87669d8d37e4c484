// Statements as closures: text, actions, and the control flow between them.

import { invalid } from '../../base/errors.ts';
import type { Statement } from '../parse/ast.ts';
import { weaker } from '../provenance.ts';
import { mapElement, mapKeys } from '../value/decode.ts';
import { decisionOf, OPERATOR } from '../value/origin.ts';
import {
  indirect,
  integerOf,
  intValue,
  invalidValue,
  isInteger,
  isInvalid,
  isTrue,
  type SliceData,
  type Value,
  value,
} from '../value/value.ts';
import { actionText } from './builtins.ts';
import { assignedNames, mayJump } from './effects.ts';
import type { Execution } from './execution.ts';
import { compilePipe } from './operand.ts';

/** How a statement ended: break and continue end the statements around it up to the range. */
type Outcome = 'done' | 'break' | 'continue';
export type Run = (x: Execution, dot: Value) => Outcome;
/** Bodies by name; filled while they are compiled, because templates may call each other. */
export type Bodies = Map<string, Run>;

type Of<K extends Statement['kind']> = Statement & { readonly kind: K };

export function compileBody(statements: readonly Statement[], bodies: Bodies): Run {
  const runs = statements.map((statement) => compileStatement(statement, bodies));
  return (x, dot) => {
    for (const run of runs) {
      x.budget.step();
      const outcome = run(x, dot);
      if (outcome !== 'done') return outcome;
    }
    return 'done';
  };
}

function compileStatement(statement: Statement, bodies: Bodies): Run {
  switch (statement.kind) {
    case 'text':
      return (x) => {
        x.at = statement;
        x.write(statement.text, OPERATOR);
        return 'done';
      };
    case 'action':
      return compileAction(statement);
    case 'if':
    case 'with':
      return compileBranches(statement, bodies);
    case 'range':
      return compileRange(statement, bodies);
    case 'template':
      return compileTemplate(statement, bodies);
    case 'break':
    case 'continue':
      return () => statement.kind;
  }
}

function compileAction(statement: Of<'action'>): Run {
  const evaluate = compilePipe(statement.pipe);
  const isPrinted = statement.pipe.variables.length === 0;
  return (x, dot) => {
    const result = evaluate(x, dot);
    x.at = statement;
    if (isPrinted) x.write(actionText(result), result.origin);
    return 'done';
  };
}

function compileBranches(statement: Of<'if' | 'with'>, bodies: Bodies): Run {
  const branches = statement.branches.map((branch) => ({
    evaluate: compilePipe(branch.pipe),
    run: compileBody(branch.body, bodies),
  }));
  const otherwise = compileBody(statement.otherwise, bodies);
  const select = (x: Execution, dot: Value): Outcome => {
    for (const { evaluate, run } of branches) {
      const condition = evaluate(x, dot);
      x.chooser = weaker(x.chooser, decisionOf(condition.origin));
      if (isTrue(condition)) return run(x, statement.kind === 'with' ? condition : dot);
    }
    return otherwise(x, dot);
  };
  return decided(statement, select);
}

/**
 * Runs a statement that decides what is written. Variables it may have set are then as forgeable
 * as the decision; so is what follows in the range, if it may leave the iteration.
 */
function decided(statement: Statement, run: Run): Run {
  const assigned = assignedNames([statement]);
  const jumps = mayJump([statement]);
  return (x, dot) => {
    const mark = x.mark();
    const { chooser } = x;
    const outcome = run(x, dot);
    if (x.chooser !== chooser) x.taint(assigned);
    if (!jumps) x.chooser = chooser;
    x.release(mark);
    return outcome;
  };
}

function compileRange(statement: Of<'range'>, bodies: Bodies): Run {
  const evaluate = compilePipe(statement.pipe);
  const body = compileBody(statement.body, bodies);
  const otherwise = compileBody(statement.otherwise, bodies);
  const bind = binder(statement);
  const iterate = (x: Execution, dot: Value): Outcome => {
    const collection = indirect(evaluate(x, dot));
    x.at = statement;
    x.chooser = weaker(x.chooser, decisionOf(collection.origin));
    const mark = x.mark();
    let isEmpty = true;
    for (const [key, element] of elements(collection, statement, x)) {
      isEmpty = false;
      x.budget.step();
      bind(x, key, element);
      const outcome = body(x, element);
      x.release(mark);
      if (outcome === 'break') break;
    }
    // As in Go, a break in the else part ends this range and not the one around it.
    const outcome = isEmpty ? otherwise(x, dot) : 'done';
    return outcome === 'break' ? 'done' : outcome;
  };
  return decided(statement, iterate);
}

/** Sets the variables of a range: one is the element; of two, the first is the key. */
function binder({ pipe }: Of<'range'>): (x: Execution, key: Value, element: Value) => void {
  const [first, second] = pipe.variables;
  if (first === undefined) return () => {};
  if (pipe.assigns) {
    return (x, key, element) => {
      x.assign(first, second === undefined ? element : key);
      if (second !== undefined) x.assign(second, element);
    };
  }
  return (x, key, element) => {
    x.setTop(0, element);
    if (second !== undefined) x.setTop(1, key);
  };
}

/** Keys and elements in Go's order: maps by sorted key. */
function* elements(
  of: Value,
  { pipe }: Of<'range'>,
  x: Execution,
): Generator<readonly [Value, Value]> {
  if (isInvalid(of)) return;
  if (isInteger(of)) {
    if (pipe.variables.length > 1) throw invalid('an integer has no second variable to range over');
    const end = integerOf(of);
    for (let at = 0n; at < end; at++) yield [invalidValue(OPERATOR), value(of.type, at, of.origin)];
    return;
  }
  if (of.type.kind === 'map') {
    const keys = mapKeys(of);
    x.budget.step(keys.length);
    for (const key of keys) yield [value(of.type.key, key, of.origin), mapElement(of, key)];
    return;
  }
  if (of.type.kind !== 'slice') throw invalid(`range can't iterate over a ${of.type.name}`);
  const { array, from, to } = (of.data as SliceData | null) ?? { array: [], from: 0, to: 0 };
  for (let at = from; at < to; at++) {
    const element = array[at];
    if (element !== undefined) yield [intValue(at - from, of.origin), element];
  }
}

function compileTemplate(statement: Of<'template'>, bodies: Bodies): Run {
  const evaluate = statement.pipe === undefined ? undefined : compilePipe(statement.pipe);
  return (x, dot) => {
    x.at = statement;
    const body = bodies.get(statement.name);
    if (body === undefined) throw invalid(`template "${statement.name}" is not defined`);
    const dollar = evaluate?.(x, dot) ?? invalidValue(OPERATOR);
    x.at = statement;
    x.isolated(dollar, () => body(x, dollar));
    return 'done';
  };
}
