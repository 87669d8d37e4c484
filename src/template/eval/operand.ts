// Pipes, commands and operands as closures: what can be decided once is decided here.

import { invalid } from '../../base/errors.ts';
import type { Command, Operand, Pipe, Span } from '../parse/ast.ts';
import type { NumberConstant } from '../parse/number.ts';
import { type Provenance, weaker } from '../provenance.ts';
import { FLOAT64 } from '../value/go-type.ts';
import { chosen, decisionOf, OPERATOR } from '../value/origin.ts';
import {
  boolValue,
  intValue,
  invalidValue,
  isTrue,
  stringValue,
  type Value,
  value,
  withOrigin,
} from '../value/value.ts';
import { fit, nilOf } from './argument.ts';
import { BUILTINS, type Builtin, type Parameter } from './builtins.ts';
import type { Execution } from './execution.ts';
import { access, NO_ARGUMENTS } from './field-access.ts';

/** The value of a pipe, after its variables are set. */
export type Evaluate = (x: Execution, dot: Value) => Value;
/** The value of an operand, fit for a parameter. */
type EvaluateArgument = (x: Execution, dot: Value, parameter: Parameter) => Value;
/** The value of a command; `final` is what was piped into it. */
type EvaluateCommand = (x: Execution, dot: Value, final: Value | undefined) => Value;

const NOTHING = invalidValue(OPERATOR);

export function compilePipe(pipe: Pipe): Evaluate {
  const commands = pipe.commands.map(compileCommand);
  const { variables, assigns } = pipe;
  return (x, dot) => {
    let piped: Value | undefined;
    for (const command of commands) {
      x.budget.step();
      piped = command(x, dot, piped);
    }
    const result = piped ?? NOTHING;
    for (const name of variables) {
      x.at = pipe;
      if (assigns) x.assign(name, result);
      else x.declare(name, result);
    }
    return result;
  };
}

function compileCommand({ words }: Command): EvaluateCommand {
  const [head, ...rest] = words;
  const args = rest.map(compileArgument);
  if (head.kind === 'field') return compileFields((_x, dot) => dot, head, args);
  if (head.kind === 'variable' && head.names.length > 0) {
    return compileFields((x) => x.read(head.name), head, args);
  }
  if (head.kind === 'chain') return compileFields(compileOperand(head.of), head, args);
  if (head.kind === 'function') return compileCall(head, args);
  const operand = compileOperand(head);
  return (x, dot, final) => {
    x.at = head;
    if (args.length > 0 || final !== undefined) throw invalid('not a function, but has arguments');
    return operand(x, dot);
  };
}

/** An operand that stands alone, without arguments. */
function compileOperand(operand: Operand): Evaluate {
  switch (operand.kind) {
    case 'dot':
      return (_x, dot) => dot;
    case 'nil':
      return () => {
        throw invalid('nil is not a command');
      };
    case 'pipe':
      return compilePipe(operand.pipe);
    case 'variable':
      if (operand.names.length > 0) break;
      return (x) => {
        x.at = operand;
        return x.read(operand.name);
      };
    case 'bool':
      return constant(boolValue(operand.value, OPERATOR));
    case 'string':
      return constant(stringValue(operand.value, OPERATOR));
    case 'number':
      return compileNumber(operand.value);
    case 'field':
    case 'chain':
    case 'function':
      break;
  }
  const command = compileCommand({ at: operand.at, end: operand.end, words: [operand] });
  return (x, dot) => command(x, dot, undefined);
}

function compileNumber(number: NumberConstant): Evaluate {
  switch (number.kind) {
    case 'int':
      return constant(intValue(number.value, OPERATOR));
    case 'float':
      return constant(value(FLOAT64, number.value, OPERATOR));
    case 'overflow':
      return () => {
        throw invalid('the constant overflows int');
      };
  }
}

function compileArgument(operand: Operand): EvaluateArgument {
  if (operand.kind === 'nil') {
    return (x, _dot, parameter) => {
      x.at = operand;
      return parameter === 'value' || parameter === 'any' ? NOTHING : nilOf(parameter, NOTHING);
    };
  }
  const evaluate = compileOperand(operand);
  return (x, dot, parameter) => {
    const argument = evaluate(x, dot);
    x.at = operand;
    return fit(argument, parameter);
  };
}

type Fields = Span & { readonly names: readonly string[] };

/** `receiver.A.B`: methods may stand anywhere, but only the last name has the arguments. */
function compileFields(
  receiver: Evaluate,
  fields: Fields,
  args: readonly EvaluateArgument[],
): EvaluateCommand {
  const last = fields.names.at(-1) ?? '';
  const leading = fields.names.slice(0, -1);
  return (x, dot, final) => {
    let at = receiver(x, dot);
    x.at = fields;
    for (const name of leading) at = access(at, name, NO_ARGUMENTS);
    if (args.length === 0 && final === undefined) return access(at, last, NO_ARGUMENTS);
    return access(at, last, {
      count: args.length + (final === undefined ? 0 : 1),
      take: (index, parameter) => {
        const argument = args[index]?.(x, dot, parameter) ?? fit(final ?? NOTHING, parameter);
        x.at = fields;
        return argument;
      },
    });
  };
}

function compileCall(
  head: Operand & { readonly kind: 'function' },
  args: readonly EvaluateArgument[],
): EvaluateCommand {
  if (head.name === 'and' || head.name === 'or') return compileLogic(head, args);
  const builtin = BUILTINS.get(head.name);
  if (builtin === undefined) throw new TypeError(`the parser let a function ${head.name} pass`);
  const parameters = args.map((_, index) => parameterAt(builtin, index));
  const last = parameterAt(builtin, args.length);
  return (x, dot, final) => {
    x.at = head;
    checkCount(builtin, head.name, args.length + (final === undefined ? 0 : 1));
    const given = args.map((arg, index) => arg(x, dot, parameters[index] ?? 'value'));
    x.at = head;
    if (final !== undefined) given.push(fit(final, last));
    return builtin.call(given, x.budget);
  };
}

/** and, or: the first argument that decides, else the last; what comes after is not evaluated. */
function compileLogic(
  head: Operand & { readonly kind: 'function' },
  args: readonly EvaluateArgument[],
): EvaluateCommand {
  const stopsAt = head.name === 'or';
  return (x, dot, final) => {
    x.at = head;
    let result = final;
    let chooser: Provenance = 'operator';
    if (args.length === 0 && final === undefined) throw invalid(`${head.name} needs an argument`);
    for (const [index, arg] of args.entries()) {
      result = arg(x, dot, 'value');
      if (index === args.length - 1 && final === undefined) break;
      chooser = weaker(chooser, decisionOf(result.origin));
      if (isTrue(result) === stopsAt) break;
      if (index === args.length - 1) result = final;
    }
    const decided = result ?? NOTHING;
    return withOrigin(decided, chosen(decided.origin, chooser));
  };
}

function checkCount({ fixed, variadic }: Builtin, name: string, count: number): void {
  if (count < fixed.length || (variadic === undefined && count > fixed.length)) {
    const want = `${variadic === undefined ? '' : 'at least '}${fixed.length}`;
    throw invalid(`wrong number of arguments for ${name}: want ${want}, got ${count}`);
  }
}

function parameterAt({ fixed, variadic }: Builtin, index: number): Parameter {
  return fixed[index] ?? variadic ?? 'value';
}

function constant(of: Value): Evaluate {
  return () => of;
}
