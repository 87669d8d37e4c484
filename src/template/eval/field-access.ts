// `.Field`, `.Method` and `.key` of a value, with Go's rules for pointers, maps and nil.

import { invalid } from '../../base/errors.ts';
import { fieldValue, mapElement } from '../value/decode.ts';
import { type GoType, STRING } from '../value/go-type.ts';
import { type Method, NO_ARGUMENT } from '../value/method.ts';
import { methodOf } from '../value/methods.ts';
import { combine } from '../value/origin.ts';
import { indirect, isInvalid, type Value } from '../value/value.ts';

/** The arguments of a field, which only a method may have. */
export type Arguments = {
  readonly count: number;
  /** The argument number `at`, fit for a parameter. */
  readonly take: (at: number, parameter: GoType) => Value;
};

export const NO_ARGUMENTS: Arguments = {
  count: 0,
  take: () => NO_ARGUMENT,
};

/** A field, method or map key of `receiver`; fields of the invalid value are invalid. */
export function access(receiver: Value, name: string, args: Arguments): Value {
  if (isInvalid(receiver)) return receiver;
  const target = indirect(receiver);
  const method = findMethod(target, name);
  if (method !== undefined) return callMethod(target, { name, method }, args);
  const hasArguments = args.count > 0;
  const { type } = target;
  const path = type.kind === 'struct' ? type.field(name) : undefined;
  if (path !== undefined) {
    if (hasArguments) throw invalid(`${name} has arguments but is a field`);
    return fieldValue(target, path);
  }
  if (type.kind === 'map' && type.key === STRING) {
    if (hasArguments) throw invalid(`${name} has arguments but is a map key`);
    return mapElement(target, name);
  }
  if (type.kind === 'pointer') throw invalid(`nil pointer evaluating ${type.name}.${name}`);
  throw invalid(`no field or method ${name} in a ${receiver.type.name}`);
}

/** A method of the target; one declared on the pointer needs an address. */
function findMethod(target: Value, name: string): Method | undefined {
  if (target.type.kind === 'pointer') return methodOf(target.type.elem, name);
  const method = methodOf(target.type, name);
  return method?.onPointer === true && !target.addressable ? undefined : method;
}

function callMethod(
  target: Value,
  { name, method }: { name: string; method: Method },
  args: Arguments,
): Value {
  const wanted = method.parameter === undefined ? 0 : 1;
  if (args.count !== wanted) {
    throw invalid(`wrong number of arguments for ${name}: want ${wanted}, got ${args.count}`);
  }
  const argument = method.parameter === undefined ? NO_ARGUMENT : args.take(0, method.parameter);
  const receiver = target.type.kind === 'pointer' ? undefined : target;
  return method.call(receiver, argument, combine(target.origin, argument.origin));
}
