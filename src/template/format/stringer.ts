// What Go's String methods give, for the types that have one.

import { invalid } from '../../base/errors.ts';
import { monthName, weekdayName } from '../value/go-time.ts';
import { intOrStringText, quantityText } from '../value/methods.ts';
import { timeText } from '../value/time-methods.ts';
import { indirect, integerOf, pointerTo, textOf, type Value } from '../value/value.ts';

/** The text of a value's String method; undefined when its type has none. */
export function stringerText(of: Value): string | undefined {
  if (of.type.kind === 'pointer') return pointerText(of);
  switch (of.type.name) {
    case 'v1.Time':
    case 'time.Time':
      return timeText(of);
    case 'time.Month':
      return monthName(integerOf(of));
    case 'time.Weekday':
      return weekdayName(integerOf(of));
    case 'v1.ResourceName':
      return textOf(of);
    default:
      return undefined;
  }
}

/**
 * The value that Go hands to fmt when an action prints it: pointers are followed, and a value
 * whose String method wants a pointer gives its address if it has one.
 */
export function printable(of: Value): Value {
  const target = indirect(of);
  const hasText = target.type.kind === 'struct' && stringerText(target) === undefined;
  return hasText && target.addressable ? pointerTo(target) : target;
}

/** Every struct of the API has a String method on its pointer; on nil it says `nil`. */
function pointerText(of: Value): string | undefined {
  const { elem } = of.type;
  if (elem.kind !== 'struct') return undefined;
  if (of.data === null) return elem.opaque && elem.name !== 'v1.FieldsV1' ? '<nil>' : 'nil';
  const target = indirect(of);
  switch (elem.name) {
    case 'resource.Quantity':
      return quantityText(target);
    case 'intstr.IntOrString':
      return intOrStringText(target);
    case 'v1.Time':
    case 'time.Time':
      return timeText(target);
    default:
      throw invalid(`printing a whole ${elem.name} is refused: name a field of it`);
  }
}
