// What a value must be to be an argument: Go's assignability, with one pointer followed or taken.

import { invalid } from '../../base/errors.ts';
import { type GoType, goType } from '../value/go-type.ts';
import { isInvalid, pointerTo, type Value, value } from '../value/value.ts';
import type { Parameter } from './builtins.ts';

/** `of` as an argument for `parameter`. */
export function fit(of: Value, parameter: Parameter): Value {
  if (parameter === 'value') return of;
  if (parameter === 'any') return of.addressable ? { ...of, addressable: false } : of;
  if (isInvalid(of)) return nilOf(parameter, of);
  if (of.type === parameter) return of;
  if (of.type.kind === 'pointer' && of.type.elem === parameter) {
    if (of.data === null) throw invalid(`dereference of a nil ${of.type.name}`);
    return of.data as Value;
  }
  if (of.addressable && goType(`*${of.type.name}`) === parameter) return pointerTo(of);
  throw invalid(`expected a ${parameter.name}, got a ${of.type.name}`);
}

/** An untyped nil, or a missing value, where a type is wanted. */
export function nilOf(parameter: GoType, missing: Value): Value {
  if (parameter.kind === 'pointer') return value(parameter, null, missing.origin);
  throw invalid(`expected a ${parameter.name}, got no value`);
}
