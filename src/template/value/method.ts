// What a method of a Go type is to the evaluator.

import { invalid } from '../../base/errors.ts';
import type { GoType } from './go-type.ts';
import type { Origin } from './origin.ts';
import { OPERATOR } from './origin.ts';
import { invalidValue, type Value, value } from './value.ts';

export type Method = {
  /** Declared on the pointer: the receiver needs an address, and may be nil. */
  readonly onPointer: boolean;
  /** At most one: no method that a template has a use for takes more. */
  readonly parameter: GoType | undefined;
  /** `receiver` is undefined for a nil pointer. */
  readonly call: (receiver: Value | undefined, argument: Value, origin: Origin) => Value;
};

export type MethodTable = ReadonlyMap<string, Method>;

/** Stands for the argument of a method without a parameter. */
export const NO_ARGUMENT: Value = invalidValue(OPERATOR);

export function notNil(receiver: Value | undefined): Value {
  if (receiver === undefined) throw invalid('method called on a nil pointer');
  return receiver;
}

/** A method declared on the value. */
export function onValue(
  result: GoType,
  compute: (receiver: Value, argument: Value) => unknown,
  parameter?: GoType,
): Method {
  return {
    onPointer: false,
    parameter,
    call: (receiver, argument, origin) =>
      value(result, compute(notNil(receiver), argument), origin),
  };
}

/** A method declared on the pointer that knows what to do with nil. */
export function onPointer(
  result: GoType,
  compute: (receiver: Value | undefined, argument: Value) => unknown,
  parameter?: GoType,
): Method {
  return {
    onPointer: true,
    parameter,
    call: (receiver, argument, origin) => value(result, compute(receiver, argument), origin),
  };
}
