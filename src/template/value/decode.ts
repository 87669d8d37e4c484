// Raw Kubernetes JSON to Go values, one field at a time and with Go's zero values for what is
// absent. The origin of a field follows from its place in the data.

import { invalid } from '../../base/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue, ownValue } from '../json-value.ts';
import { elementOrigin, fieldOrigin } from './field-origin.ts';
import { compareBytes, goString } from './go-string.ts';
import { parseTime, ZERO_TIME } from './go-time.ts';
import type { Field, GoType } from './go-type.ts';
import { formatSource, type Origin } from './origin.ts';
import { parseQuantity, type Quantity, ZERO_QUANTITY } from './quantity.ts';
import { invalidValue, type SliceData, type Value, value } from './value.ts';

/** An IntOrString; `isText` is its Type. */
export type IntOrString = { readonly isText: boolean; readonly text: string; readonly int: bigint };

const RANGES: {
  readonly [kind in 'int' | 'int32' | 'int64' | 'uint8']: readonly [number, number];
} = {
  int: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  uint8: [0, 255],
};

/** The value that `raw` is in a place of type `type`; absent and null are Go's zero value. */
export function decode(type: GoType, raw: JsonValue | undefined, origin: Origin): Value {
  return value(type, decodeData(type, raw ?? undefined, origin), origin);
}

/** A field of a struct; `path` leads to it through embedded structs. */
export function fieldValue(of: Value, path: readonly Field[]): Value {
  let at = of;
  for (const field of path) {
    const origin = field === path.at(-1) ? fieldOrigin(at, field) : at.origin;
    const data = at.type.opaque
      ? opaqueField(at, field.name)
      : decodeData(field.type, fieldJson(at.data as JsonObject, field), origin);
    at = { type: field.type, data, origin, addressable: of.addressable };
  }
  return at;
}

/** The element of a map for a key, or the invalid value; never addressable. */
export function mapElement(of: Value, key: string): Value {
  const origin = elementOrigin(of.origin, key);
  const raw = of.data === null ? undefined : ownValue(of.data as JsonObject, key);
  return raw === undefined ? invalidValue(origin) : decode(of.type.elem, raw, origin);
}

export function mapKeys(of: Value): readonly string[] {
  return of.data === null ? [] : Object.keys(of.data as JsonObject).toSorted(compareBytes);
}

function fieldJson(object: JsonObject, field: Field): JsonValue | undefined {
  return field.json === undefined ? object : ownValue(object, field.json);
}

function decodeData(type: GoType, raw: JsonValue | undefined, origin: Origin): unknown {
  switch (type.kind) {
    case 'string':
      if (raw === undefined || raw === null) return '';
      if (typeof raw === 'string') return goString(raw);
      break;
    case 'bool':
      if (raw === undefined || raw === null) return false;
      if (typeof raw === 'boolean') return raw;
      break;
    case 'int':
    case 'int32':
    case 'int64':
    case 'uint8': {
      if (raw === undefined || raw === null) return 0n;
      const [least, most] = RANGES[type.kind];
      if (Number.isInteger(raw) && Number(raw) >= least && Number(raw) <= most)
        return BigInt(Number(raw));
      break;
    }
    case 'pointer':
      if (raw === undefined || raw === null) return null;
      return { ...decode(type.elem, raw, origin), addressable: true };
    case 'slice':
      if (raw === undefined || raw === null) return null;
      if (Array.isArray(raw)) return sliceData(type.elem, raw, origin);
      break;
    case 'map':
      if (raw === undefined || raw === null) return null;
      if (isJsonObject(raw)) return raw;
      break;
    case 'struct': {
      const data = type.opaque ? opaqueData(type, raw) : structData(raw);
      if (data !== undefined) return data;
      break;
    }
    case 'float64':
    case 'invalid':
      break;
  }
  const place = origin.source === undefined ? 'the value' : formatSource(origin.source);
  throw invalid(`${place} is not JSON for a ${type.name}`);
}

function sliceData(elem: GoType, raw: readonly JsonValue[], origin: Origin): SliceData {
  const array = raw.map((item, index) => ({
    ...decode(elem, item, elementOrigin(origin, index)),
    addressable: true,
  }));
  return { array, from: 0, to: array.length, limit: array.length };
}

function structData(raw: JsonValue | undefined): JsonObject | undefined {
  if (raw === undefined || raw === null) return {};
  return isJsonObject(raw) ? raw : undefined;
}

function opaqueData(type: GoType, raw: JsonValue | undefined): unknown {
  switch (type.name) {
    case 'v1.Time':
      if (raw === undefined || raw === null) return ZERO_TIME;
      return typeof raw === 'string' ? parseTime(raw) : undefined;
    case 'resource.Quantity':
      if (raw === undefined || raw === null) return ZERO_QUANTITY;
      if (typeof raw !== 'string' && typeof raw !== 'number') return undefined;
      return parseQuantity(String(raw).trim());
    case 'intstr.IntOrString':
      return intOrString(raw ?? 0);
    default:
      return raw ?? {};
  }
}

function intOrString(raw: JsonValue): IntOrString | undefined {
  if (typeof raw === 'string') return { isText: true, text: goString(raw), int: 0n };
  return Number.isInteger(raw) ? { isText: false, text: '', int: BigInt(Number(raw)) } : undefined;
}

/** The exported fields of decoded structs. */
function opaqueField(of: Value, name: string): unknown {
  switch (name) {
    case 'Time':
      return of.data;
    case 'Format':
      return (of.data as Quantity).format;
    case 'Type':
      return (of.data as IntOrString).isText ? 1n : 0n;
    case 'IntVal':
      return (of.data as IntOrString).int;
    default:
      return (of.data as IntOrString).text;
  }
}
