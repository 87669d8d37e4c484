// index and slice, by bytes of strings, elements of slices and keys of maps.

import { invalid } from '../../base/errors.ts';
import type { Budget } from '../budget.ts';
import { decode, mapElement } from '../value/decode.ts';
import { byteAt, sliceBytes } from '../value/go-string.ts';
import { goType } from '../value/go-type.ts';
import { combine, type Origin } from '../value/origin.ts';
import {
  indirect,
  integerOf,
  isInteger,
  isInvalid,
  lengthOf,
  type SliceData,
  textOf,
  type Value,
  value,
  withOrigin,
} from '../value/value.ts';

/** `index x 1 2` is x[1][2]. */
export function index(of: Value, indexes: readonly Value[], budget: Budget): Value {
  if (isInvalid(of)) throw invalid('index of untyped nil');
  return indexes.reduce((item, at) => element(item, at, budget), of);
}

/** `slice x 1 2` is x[1:2]; a third bound limits what a further slice may reach. */
export function slice(of: Value, bounds: readonly Value[], budget: Budget): Value {
  if (isInvalid(of)) throw invalid('slice of untyped nil');
  const item = target(of, 'slice');
  if (bounds.length > 3) throw invalid(`too many slice indexes: ${bounds.length}`);
  const { kind } = item.type;
  if (kind !== 'string' && kind !== 'slice') throw invalid(`can't slice a ${item.type.name}`);
  if (kind === 'string' && bounds.length === 3) throw invalid('cannot 3-index slice a string');
  const length = lengthOf(item);
  const data = kind === 'slice' ? (item.data as SliceData | null) : null;
  const capacity = data === null ? length : data.limit - data.from;
  const [from = 0, to = length, limit = capacity] = bounds.map((at) => position(at, capacity));
  if (from > to) throw invalid(`invalid slice index: ${from} > ${to}`);
  if (to > limit) throw invalid(`invalid slice index: ${to} > ${limit}`);
  const origin = bounds.reduce<Origin>((sum, at) => combine(sum, at.origin), item.origin);
  if (kind === 'string') {
    const text = textOf(item);
    budget.scan(text);
    const part = sliceBytes(text, from, to);
    budget.spend(part);
    return value(item.type, part, origin);
  }
  if (data === null) return withOrigin(item, origin);
  const window = { from: data.from + from, to: data.from + to, limit: data.from + limit };
  return value(item.type, { ...data, ...window }, origin);
}

function element(of: Value, at: Value, budget: Budget): Value {
  const item = target(of, 'index');
  const { kind, name } = item.type;
  if (kind === 'map') return mapValue(item, at);
  if (kind !== 'string' && kind !== 'slice') throw invalid(`can't index a ${name}`);
  if (kind === 'string') {
    const text = textOf(item);
    budget.scan(text);
    const byte = byteAt(text, inRange(at, lengthOf(item)));
    return value(goType('uint8'), BigInt(byte), combine(item.origin, at.origin));
  }
  const offset = inRange(at, lengthOf(item));
  const { array, from } = item.data as SliceData;
  const found = array[from + offset];
  if (found === undefined) throw new TypeError('a slice is shorter than its length');
  return withOrigin(found, combine(found.origin, combine(item.origin, at.origin)));
}

/** The zero value for a key the map has not. */
function mapValue(of: Value, key: Value): Value {
  if (isInvalid(key)) throw invalid(`the key is nil; it should be a ${of.type.key.name}`);
  if (key.type !== of.type.key) {
    throw invalid(`the key is a ${key.type.name}; it should be a ${of.type.key.name}`);
  }
  const found = mapElement(of, textOf(key));
  const origin = combine(found.origin, key.origin);
  return isInvalid(found) ? decode(of.type.elem, undefined, origin) : withOrigin(found, origin);
}

/** Follows a pointer. */
function target(of: Value, action: string): Value {
  const item = indirect(of);
  if (item.type.kind === 'pointer') throw invalid(`${action} of nil pointer`);
  return item;
}

function inRange(at: Value, length: number): number {
  const offset = position(at, length);
  if (offset < length) return offset;
  throw invalid(`index out of range: ${offset}`);
}

/** An index of at most `most`. */
function position(at: Value, most: number): number {
  if (isInvalid(at)) throw invalid('cannot index with nil');
  if (!isInteger(at)) throw invalid(`cannot index with a ${at.type.name}`);
  const offset = integerOf(at);
  if (offset < 0n || offset > BigInt(most)) throw invalid(`index out of range: ${offset}`);
  return Number(offset);
}
