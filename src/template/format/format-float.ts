// Floats as fmt prints them. Templates have them only from literals, so %b and %x are left out.

import { type Decimal, exactDecimal, roundDecimal, shortestDecimal } from './decimal.ts';
import { type Flags, pad } from './flags.ts';

/** A float64 by verb e, E, f, F, g, G or v; undefined for any other verb. */
export function formatFloat(float: number, verb: string, flags: Flags): string | undefined {
  const form = verb === 'v' ? 'g' : verb.toLowerCase();
  if (!'efg'.includes(form) || verb.length !== 1) return undefined;
  const isNegative = float < 0 || Object.is(float, -0);
  const precision = flags.precision ?? (form === 'g' ? undefined : 6);
  let number = digitsOf(Math.abs(float), form, precision);
  if (flags.sharp) number = keepZeros(number, form === 'g' ? (precision ?? 6) : 0);
  if (verb === 'E' || verb === 'G') number = number.toUpperCase();
  const sign = isNegative ? '-' : flags.plus ? '+' : flags.space ? ' ' : '';
  if (sign === '' || !flags.zero || flags.minus) return pad(sign + number, flags);
  const width = flags.width === undefined ? undefined : flags.width - 1;
  return sign + pad(number, { ...flags, width });
}

function digitsOf(magnitude: number, form: string, precision: number | undefined): string {
  if (precision === undefined) return general(shortestDecimal(magnitude), undefined);
  const exact = exactDecimal(magnitude);
  if (form === 'f') return fixed(roundDecimal(exact, exact.point + precision), precision);
  if (form === 'e') return exponential(roundDecimal(exact, precision + 1), precision);
  const count = Math.max(1, precision);
  return general(roundDecimal(exact, count), count);
}

/** %g: exponential when the exponent is under -4, or not under the precision (6 when shortest). */
function general(decimal: Decimal, precision: number | undefined): string {
  const { digits, point } = decimal;
  const count = digits.length;
  let threshold = precision ?? 6;
  if (precision !== undefined && precision > count && count >= point) threshold = count;
  const exponent = point - 1;
  if (exponent < -4 || exponent >= threshold) {
    return exponential(decimal, Math.min(precision ?? count, count) - 1);
  }
  return fixed(decimal, Math.max((precision ?? count) > point ? count - point : 0, 0));
}

function fixed({ digits, point }: Decimal, places: number): string {
  const whole = point > 0 ? digits.slice(0, point).padEnd(point, '0') : '0';
  const fraction =
    '0'.repeat(Math.max(0, Math.min(places, -point))) + digits.slice(Math.max(0, point));
  return places > 0 ? `${whole}.${fraction.slice(0, places).padEnd(places, '0')}` : whole;
}

function exponential({ digits, point }: Decimal, places: number): string {
  const exponent = digits === '' ? 0 : point - 1;
  const sign = exponent < 0 ? '-' : '+';
  const first = digits.charAt(0) || '0';
  const fraction = places > 0 ? `.${digits.slice(1, places + 1).padEnd(places, '0')}` : '';
  return `${first}${fraction}e${sign}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

/** The sharp flag keeps the decimal point, and for %g the zeros up to `count` digits. */
function keepZeros(number: string, count: number): string {
  const [mantissa = '', exponent] = number.split('e');
  const significant = mantissa.replace('.', '').replace(/^0+/, '');
  const missing = count - Math.max(significant.length, mantissa === '0' ? 1 : 0);
  const point = mantissa.includes('.') ? '' : '.';
  const tail = exponent === undefined ? '' : `e${exponent}`;
  return mantissa + point + '0'.repeat(Math.max(0, missing)) + tail;
}
