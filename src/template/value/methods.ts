// Which methods of Go's API types a template may call: the getters of ObjectMeta, and the common
// ones of metav1.Time, Quantity, IntOrString and ResourceList.

import { fieldValue, type IntOrString, mapElement } from './decode.ts';
import { monthName, weekdayName } from './go-time.ts';
import { BOOL, type GoType, goType, INT, INT64, STRING } from './go-type.ts';
import { type Method, type MethodTable, notNil, onPointer, onValue } from './method.ts';
import { formatQuantity, type Quantity, scaledValue, ZERO_QUANTITY } from './quantity.ts';
import { META_TIME_METHODS, TIME_METHODS } from './time-methods.ts';
import { integerOf, isInvalid, pointerTo, textOf, type Value, value } from './value.ts';

const OBJECT_META = goType('v1.ObjectMeta');
const QUANTITY = goType('resource.Quantity');

const QUANTITY_METHODS: MethodTable = new Map([
  ['String', onPointer(STRING, (q) => (q === undefined ? '<nil>' : quantityText(q)))],
  ['Value', onPointer(INT64, (q) => scaledValue(quantityOf(q), 10n ** 9n))],
  ['MilliValue', onPointer(INT64, (q) => scaledValue(quantityOf(q), 10n ** 6n))],
  ['IsZero', onPointer(BOOL, (q) => quantityOf(q).nanos === 0n)],
  ['Sign', onPointer(INT, (q) => signOf(quantityOf(q).nanos))],
]);

const INT_OR_STRING_METHODS: MethodTable = new Map([
  ['String', onPointer(STRING, (port) => (port === undefined ? '<nil>' : intOrStringText(port)))],
  ['IntValue', onPointer(INT, (port) => intOrStringInt(notNil(port)))],
]);

const RESOURCE_LIST_METHODS: MethodTable = new Map([
  ['Cpu', resource('cpu')],
  ['Memory', resource('memory')],
  ['Storage', resource('storage')],
  ['Pods', resource('pods')],
  ['StorageEphemeral', resource('ephemeral-storage')],
]);

const METHODS: ReadonlyMap<string, MethodTable> = new Map([
  ['time.Time', TIME_METHODS],
  ['v1.Time', META_TIME_METHODS],
  ['resource.Quantity', QUANTITY_METHODS],
  ['intstr.IntOrString', INT_OR_STRING_METHODS],
  ['v1.ResourceList', RESOURCE_LIST_METHODS],
  ['v1.ResourceName', new Map([['String', onValue(STRING, textOf)]])],
  ['time.Month', new Map([['String', onValue(STRING, (of) => monthName(integerOf(of)))]])],
  ['time.Weekday', new Map([['String', onValue(STRING, (of) => weekdayName(integerOf(of)))]])],
]);

/** The method `name` of a type, whether or not a receiver has the address it may need. */
export function methodOf(type: GoType, name: string): Method | undefined {
  const isMeta = type === OBJECT_META || type.name === 'v1.PersistentVolumeClaimTemplate';
  return isMeta ? getter(type, name) : METHODS.get(type.name)?.get(name);
}

/** The field of ObjectMeta that a getter returns. */
export function getterField(name: string): string | undefined {
  const field = name.slice(3);
  return name.startsWith('Get') && OBJECT_META.field(field) !== undefined ? field : undefined;
}

export function quantityText(of: Value): string {
  return formatQuantity(of.data as Quantity);
}

export function intOrStringText(of: Value): string {
  const { isText, text, int } = of.data as IntOrString;
  return isText ? text : String(int);
}

function getter(type: GoType, name: string): Method | undefined {
  const path = type.field(getterField(name) ?? '');
  if (path === undefined) return undefined;
  return {
    onPointer: true,
    parameter: undefined,
    call: (receiver) => ({ ...fieldValue(notNil(receiver), path), addressable: false }),
  };
}

/** A resource of a list, a zero quantity when it has none. */
function resource(name: string): Method {
  return {
    onPointer: true,
    parameter: undefined,
    call: (receiver, _argument, origin) => {
      const found = mapElement(notNil(receiver), name);
      const zero = { ...ZERO_QUANTITY, format: 'DecimalSI' };
      const quantity = isInvalid(found) ? value(QUANTITY, zero, origin) : found;
      return pointerTo({ ...quantity, addressable: true });
    },
  };
}

function quantityOf(of: Value | undefined): Quantity {
  return notNil(of).data as Quantity;
}

/** What Atoi makes of a named port is 0. */
function intOrStringInt(of: Value): bigint {
  const { isText, text, int } = of.data as IntOrString;
  if (!isText) return int;
  return /^[+-]?\d{1,18}$/.test(text) ? BigInt(text.replace('+', '')) : 0n;
}

function signOf(amount: bigint): bigint {
  if (amount === 0n) return 0n;
  return amount < 0n ? -1n : 1n;
}
