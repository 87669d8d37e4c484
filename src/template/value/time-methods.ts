// Methods of time.Time and of metav1.Time, which embeds one and adds its own on the pointer.

import {
  compareTimes,
  formatTime,
  type GoTime,
  STRING_LAYOUT,
  timeParts,
  ZERO_TIME,
} from './go-time.ts';
import { BOOL, type GoType, goType, INT, INT64, STRING } from './go-type.ts';
import { type Method, type MethodTable, onPointer, onValue } from './method.ts';
import { textOf, type Value } from './value.ts';

const TIME = goType('time.Time');
const META_TIME_POINTER = goType('*v1.Time');

export const TIME_METHODS: MethodTable = new Map([
  ['Unix', unixMethod(1n)],
  ['UnixMilli', unixMethod(1_000n)],
  ['UnixMicro', unixMethod(1_000_000n)],
  ['UnixNano', unixMethod(1_000_000_000n)],
  ['Year', partMethod('year', INT)],
  ['Month', partMethod('month', goType('time.Month'))],
  ['Day', partMethod('day', INT)],
  ['Hour', partMethod('hour', INT)],
  ['Minute', partMethod('minute', INT)],
  ['Second', partMethod('second', INT)],
  ['Weekday', partMethod('weekday', goType('time.Weekday'))],
  ['YearDay', partMethod('yearDay', INT)],
  ['Nanosecond', onValue(INT, (receiver) => BigInt(timeOf(receiver).nanos))],
  ['UTC', onValue(TIME, timeOf)],
  ['Local', onValue(TIME, timeOf)],
  ['IsZero', onValue(BOOL, isZero)],
  ['Before', onValue(BOOL, (receiver, other) => order(receiver, other) < 0, TIME)],
  ['After', onValue(BOOL, (receiver, other) => order(receiver, other) > 0, TIME)],
  ['Equal', onValue(BOOL, (receiver, other) => order(receiver, other) === 0, TIME)],
  ['Compare', onValue(INT, (receiver, other) => BigInt(Math.sign(order(receiver, other))), TIME)],
  ['String', onValue(STRING, timeText)],
  [
    'Format',
    onValue(STRING, (receiver, layout) => formatTime(timeOf(receiver), textOf(layout)), STRING),
  ],
]);

export const META_TIME_METHODS: MethodTable = new Map([
  ...TIME_METHODS,
  ['IsZero', onPointer(BOOL, (receiver) => receiver === undefined || isZero(receiver))],
  ['Before', pointerComparison((receiver, other) => order(receiver, other) < 0)],
  ['Equal', pointerComparison((receiver, other) => order(receiver, other) === 0)],
]);

/** What time.Time's String gives. */
export function timeText(of: Value): string {
  return formatTime(timeOf(of), STRING_LAYOUT);
}

function timeOf(of: Value): GoTime {
  return of.data as GoTime;
}

function isZero(of: Value): boolean {
  return compareTimes(timeOf(of), ZERO_TIME) === 0;
}

function order(a: Value, b: Value): number {
  return compareTimes(timeOf(a), timeOf(b));
}

/** Two nil pointers are equal; otherwise nil compares false with everything. */
function pointerComparison(holds: (receiver: Value, other: Value) => boolean): Method {
  return onPointer(
    BOOL,
    (receiver, pointer) => {
      const other = pointer.data as Value | null;
      if (receiver === undefined || other === null) return false;
      return holds(receiver, other);
    },
    META_TIME_POINTER,
  );
}

function partMethod(part: keyof ReturnType<typeof timeParts>, type: GoType): Method {
  return onValue(type, (receiver) => BigInt(timeParts(timeOf(receiver))[part]));
}

function unixMethod(perSecond: bigint): Method {
  return onValue(INT64, (receiver) => {
    const { seconds, nanos } = timeOf(receiver);
    const units = BigInt(seconds) * perSecond + (BigInt(nanos) * perSecond) / 10n ** 9n;
    return BigInt.asIntN(64, units);
  });
}
