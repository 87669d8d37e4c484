// eq, ne, lt, le, gt, ge: by basic kind, whatever the named type; integers of any size compare.

import { invalid } from '../../base/errors.ts';
import { compareBytes } from '../value/go-string.ts';
import { isInteger, isInvalid, isNil, textOf, type Value } from '../value/value.ts';

type BasicKind = 'bool' | 'integer' | 'float' | 'string' | 'none';

/** Whether `first` equals one of the others. */
export function equalsAny(first: Value, others: readonly Value[]): boolean {
  if (others.length === 0) throw invalid('missing argument for comparison');
  return others.some((other) => equals(first, other));
}

/** The order of two values of one basic kind: negative, zero or positive. */
export function compareValues(a: Value, b: Value): number {
  const kind = basicKind(a);
  const other = basicKind(b);
  if (kind === 'none' || other === 'none') throw invalid('invalid type for comparison');
  if (kind !== other) throw incompatible(a, b);
  if (kind === 'bool') throw invalid('invalid type for comparison');
  if (kind === 'string') return compareBytes(textOf(a), textOf(b));
  const [left, right] = [a.data as number | bigint, b.data as number | bigint];
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function equals(a: Value, b: Value): boolean {
  const kind = basicKind(a);
  if (kind !== basicKind(b)) {
    if (isInvalid(a) || isInvalid(b)) return false;
    throw incompatible(a, b);
  }
  if (kind !== 'none') return a.data === b.data;
  if (a.type.kind !== b.type.kind && !isInvalid(a) && !isInvalid(b)) {
    throw invalid(`non-comparable types ${a.type.name} and ${b.type.name}`);
  }
  if (isNil(a) || isNil(b)) return isNil(a) === isNil(b);
  throw invalid(`comparing a ${b.type.name} is refused: compare a field of it`);
}

function incompatible(a: Value, b: Value): Error {
  return invalid(`incompatible types for comparison: ${a.type.name} and ${b.type.name}`);
}

function basicKind(of: Value): BasicKind {
  if (isInteger(of)) return 'integer';
  const { kind } = of.type;
  if (kind === 'bool' || kind === 'string') return kind;
  return kind === 'float64' ? 'float' : 'none';
}
