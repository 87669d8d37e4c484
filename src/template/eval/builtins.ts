// The functions a template may call. `and` and `or` are not here: they stop at the first argument
// that decides, so the evaluator does them itself.

import { invalid } from '../../base/errors.ts';
import type { Budget } from '../budget.ts';
import { NO_FLAGS } from '../format/flags.ts';
import { sprint, sprintln } from '../format/print.ts';
import { printArgument } from '../format/print-value.ts';
import { sprintf } from '../format/printf.ts';
import { printable } from '../format/stringer.ts';
import { type GoType, STRING } from '../value/go-type.ts';
import { combine, OPERATOR, type Origin } from '../value/origin.ts';
import {
  boolValue,
  indirect,
  intValue,
  isInvalid,
  isTrue,
  lengthOf,
  stringValue,
  textOf,
  type Value,
} from '../value/value.ts';
import { compareValues, equalsAny } from './compare.ts';
import { escapeHtml, escapeJs, escapeQuery } from './escape.ts';
import { index, slice } from './indexing.ts';

/**
 * What a parameter takes: `value` anything as it is; `any` anything, copied, so that it has no
 * address; or a type.
 */
export type Parameter = 'value' | 'any' | GoType;

export type Builtin = {
  readonly fixed: readonly Parameter[];
  readonly variadic: Parameter | undefined;
  /** `args` are as many as `fixed` at least. */
  readonly call: (args: readonly Value[], budget: Budget) => Value;
};

/** What prints for a value that is not there. */
const NO_VALUE = '<no value>';

export const BUILTINS: ReadonlyMap<string, Builtin> = new Map([
  ['eq', comparison('value', (args) => equalsAny(argument(args, 0), args.slice(1)))],
  ['ne', comparison(undefined, (args) => !equalsAny(argument(args, 0), args.slice(1)))],
  ['lt', comparison(undefined, (args) => order(args) < 0)],
  ['le', comparison(undefined, (args) => order(args) <= 0)],
  ['gt', comparison(undefined, (args) => order(args) > 0)],
  ['ge', comparison(undefined, (args) => order(args) >= 0)],
  ['not', { fixed: ['value'], variadic: undefined, call: (args) => negate(argument(args, 0)) }],
  [
    'len',
    {
      fixed: ['value'],
      variadic: undefined,
      call: (args, budget) => len(argument(args, 0), budget),
    },
  ],
  [
    'index',
    {
      fixed: ['value'],
      variadic: 'value',
      call: (args, budget) => index(argument(args, 0), args.slice(1), budget),
    },
  ],
  [
    'slice',
    {
      fixed: ['value'],
      variadic: 'value',
      call: (args, budget) => slice(argument(args, 0), args.slice(1), budget),
    },
  ],
  ['call', { fixed: ['value'], variadic: 'value', call: (args) => refuseCall(argument(args, 0)) }],
  ['print', text([], (args, budget) => sprint(args, budget))],
  ['println', text([], (args, budget) => sprintln(args, budget))],
  [
    'printf',
    text([STRING], (args, budget) => sprintf(textOf(argument(args, 0)), args.slice(1), budget)),
  ],
  ['html', text([], (args, budget) => made(escapeHtml(joined(args, budget)), budget))],
  ['js', text([], (args, budget) => made(escapeJs(joined(args, budget)), budget))],
  ['urlquery', text([], (args, budget) => made(escapeQuery(joined(args, budget)), budget))],
]);

/** The text an action writes for a value. */
export function actionText(of: Value): string {
  return isInvalid(of) ? NO_VALUE : printArgument(printable(of), 'v', NO_FLAGS);
}

function comparison(
  variadic: Parameter | undefined,
  holds: (args: readonly Value[]) => boolean,
): Builtin {
  return {
    fixed: variadic === undefined ? ['value', 'value'] : ['value'],
    variadic,
    call: (args, budget) => {
      for (const arg of args) if (arg.type.kind === 'string') budget.scan(textOf(arg));
      return boolValue(holds(args), originOf(args));
    },
  };
}

function text(
  fixed: readonly Parameter[],
  make: (args: readonly Value[], budget: Budget) => string,
): Builtin {
  return {
    fixed,
    variadic: 'any',
    call: (args, budget) => stringValue(make(args, budget), originOf(args)),
  };
}

function originOf(args: readonly Value[]): Origin {
  return args.reduce<Origin>((sum, arg) => combine(sum, arg.origin), OPERATOR);
}

function argument(args: readonly Value[], at: number): Value {
  const arg = args[at];
  if (arg === undefined) throw new TypeError('a function was called with too few arguments');
  return arg;
}

function order(args: readonly Value[]): number {
  return compareValues(argument(args, 0), argument(args, 1));
}

function negate(of: Value): Value {
  return boolValue(!isTrue(of), of.origin);
}

function len(of: Value, budget: Budget): Value {
  const item = indirect(of);
  const { kind, name } = item.type;
  if (kind === 'pointer') throw invalid('len of nil pointer');
  if (kind !== 'string' && kind !== 'slice' && kind !== 'map') throw invalid(`len of a ${name}`);
  if (kind === 'string') budget.scan(textOf(item));
  return intValue(lengthOf(item), of.origin);
}

/** Nothing that a template can reach is a function. */
function refuseCall(of: Value): never {
  throw invalid(isInvalid(of) ? 'call of nil' : `call of a ${of.type.name}, which is no function`);
}

/** The arguments of an escaper as text: pointers are followed, as when an action prints them. */
function joined(args: readonly Value[], budget: Budget): string {
  const shown = args.map((arg) =>
    isInvalid(arg) ? stringValue(NO_VALUE, arg.origin) : printable(arg),
  );
  return sprint(shown, budget);
}

function made(result: string, budget: Budget): string {
  budget.spend(result);
  return result;
}
