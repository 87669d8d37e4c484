// One value by one verb, as Go's fmt prints it. What Go prints as a memory address, and whole
// structs with their unexported parts, are refused: neither can be part of an identity.

import { invalid } from '../../base/errors.ts';
import { mapElement, mapKeys } from '../value/decode.ts';
import {
  integerOf,
  isInvalid,
  type SliceData,
  stringValue,
  textOf,
  type Value,
} from '../value/value.ts';
import { type Flags, pad } from './flags.ts';
import { formatFloat } from './format-float.ts';
import { formatCharacter, formatInteger, formatUnicode } from './format-integer.ts';
import { formatText } from './format-text.ts';
import { quoteChar } from './quote.ts';
import { stringerText } from './stringer.ts';

const NIL = '<nil>';
/** Verbs that ask a value for its String method. */
const STRINGER_VERBS = 'vsxXq';

/** A value as an argument of a print function; the invalid value is Go's nil interface. */
export function printArgument(of: Value, verb: string, flags: Flags): string {
  if (verb === 'T') return formatText(isInvalid(of) ? NIL : typeName(of), 's', flags) ?? '';
  if (isInvalid(of)) return verb === 'v' ? pad(NIL, flags) : `%!${verb}(${NIL})`;
  if (verb === 'p') return printPointer(of, verb, flags);
  // Only Errorf takes %w.
  if (verb === 'w') return badVerb(of, verb, flags);
  return printValue(of, verb, flags);
}

export function typeName(of: Value): string {
  if (of.type.name !== 'signet.Data') return of.type.name;
  throw invalid('printing the type of the template data is refused: it has no name in Go');
}

function printValue(of: Value, verb: string, flags: Flags): string {
  if (STRINGER_VERBS.includes(verb) && !flags.sharpV) {
    // A value method cannot be called on nil; fmt then writes this, whatever the verb and width.
    if (of.type.kind === 'pointer' && of.data === null && of.type.elem.name.endsWith('.Time'))
      return NIL;
    const text = stringerText(of);
    if (text !== undefined) return formatText(text, verb, flags) ?? '';
  }
  return printPlain(of, verb, flags);
}

/** Without the value's own String method. */
function printPlain(of: Value, verb: string, flags: Flags): string {
  switch (of.type.kind) {
    case 'bool':
      return verb === 't' || verb === 'v' ? pad(String(of.data), flags) : badVerb(of, verb, flags);
    case 'string':
      return formatText(textOf(of), verb, flags) ?? badVerb(of, verb, flags);
    case 'float64':
      if ('bxX'.includes(verb)) throw invalid(`printing a float64 with %${verb} is refused`);
      return formatFloat(of.data as number, verb, flags) ?? badVerb(of, verb, flags);
    case 'int':
    case 'int32':
    case 'int64':
    case 'uint8':
      return printInteger(of, verb, flags);
    case 'slice':
      return printSlice(of, verb, flags);
    case 'map':
      return printMap(of, verb, flags);
    case 'pointer':
      return printPointer(of, verb, flags);
    case 'struct':
    case 'invalid':
      throw invalid(`printing a whole ${of.type.name} is refused: name a field of it`);
  }
}

function printInteger(of: Value, verb: string, flags: Flags): string {
  const integer = integerOf(of);
  if (verb === 'c') return formatCharacter(integer, flags);
  if (verb === 'q') return pad(quoteChar(integer, flags.plus), flags);
  if (verb === 'U') return formatUnicode(integer, flags);
  if (verb === 'v' && flags.sharpV && of.type.kind === 'uint8') {
    return formatInteger(integer, 'x', { ...flags, sharp: true }) ?? '';
  }
  return formatInteger(integer, verb, flags) ?? badVerb(of, verb, flags);
}

function printSlice(of: Value, verb: string, flags: Flags): string {
  const open = flags.sharpV ? `${of.type.name}{` : '[';
  if (of.data === null && flags.sharpV) return `${of.type.name}(nil)`;
  const slice = of.data as SliceData | null;
  const items = slice?.array.slice(slice.from, slice.to) ?? [];
  const printed = items.map((item) => printValue({ ...item, addressable: false }, verb, flags));
  return `${open}${printed.join(flags.sharpV ? ', ' : ' ')}${flags.sharpV ? '}' : ']'}`;
}

function printMap(of: Value, verb: string, flags: Flags): string {
  const open = flags.sharpV ? `${of.type.name}{` : 'map[';
  if (of.data === null && flags.sharpV) return `${of.type.name}(nil)`;
  const printed = mapKeys(of).map((text) => {
    const key = { ...stringValue(text, of.origin), type: of.type.key };
    const element = mapElement(of, text);
    return `${printValue(key, verb, flags)}:${printValue(element, verb, flags)}`;
  });
  return `${open}${printed.join(flags.sharpV ? ', ' : ' ')}${flags.sharpV ? '}' : ']'}`;
}

/** A pointer, slice or map as an address: only nil has one that means something. */
function printPointer(of: Value, verb: string, flags: Flags): string {
  const { kind, name } = of.type;
  if (kind !== 'pointer' && kind !== 'slice' && kind !== 'map') return badVerb(of, verb, flags);
  if (of.data !== null) {
    throw invalid(`printing the address of a ${name} is refused: print what it points at`);
  }
  if (verb === 'v') return flags.sharpV ? `(${name})(nil)` : pad(NIL, flags);
  if (verb === 'p') return formatInteger(0n, 'x', { ...flags, sharp: !flags.sharp }) ?? '';
  if ('bodxX'.includes(verb)) return formatInteger(0n, verb, flags) ?? '';
  return badVerb(of, verb, flags);
}

function badVerb(of: Value, verb: string, flags: Flags): string {
  return `%!${verb}(${typeName(of)}=${printPlain(of, 'v', flags)})`;
}
