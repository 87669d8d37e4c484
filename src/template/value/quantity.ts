// Kubernetes resource quantities: exact numbers in billionths, and the canonical text the API
// server gives them.

export type Quantity = {
  /** The amount in billionths. */
  readonly nanos: bigint;
  readonly format: '' | 'DecimalSI' | 'BinarySI' | 'DecimalExponent';
  /** The text it was read from, when the API server keeps that. */
  readonly kept: string | undefined;
};

const NANOS = 10n ** 9n;
const MAX_BINARY = (2n ** 63n - 1n) * NANOS;
/** Beyond every suffix; larger ones have no canonical text. */
const MAX_EXPONENT = 18;
const DECIMAL: readonly string[] = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'];
const BINARY: readonly string[] = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const PATTERN = /^([+-]?)0*(\d*)(\.(\d*))?([numkMGTPE]?|[KMGTPE]i|[eE][+-]?\d{1,2})$/;

export const ZERO_QUANTITY: Quantity = { nanos: 0n, format: '', kept: undefined };

/** Undefined when `text` is no quantity, or one out of the range of the suffixes. */
export function parseQuantity(text: string): Quantity | undefined {
  const match = PATTERN.exec(text);
  if (match === null || !/\d/.test(text)) return undefined;
  const [, sign = '', whole = '', , fraction = '', suffix = ''] = match;
  const unit = readSuffix(suffix);
  if (unit === undefined) return undefined;
  const digits = `${whole === '' ? '0' : whole}${fraction}`;
  const magnitude = roundUp(
    BigInt(digits) * unit.base ** BigInt(Math.max(0, unit.exponent)) * NANOS,
    10n ** BigInt(fraction.length + Math.max(0, -unit.exponent)),
  );
  const capped = unit.format === 'BinarySI' && magnitude > MAX_BINARY ? MAX_BINARY : magnitude;
  return {
    nanos: sign === '-' ? -capped : capped,
    format: unit.format === 'BinarySI' && capped < NANOS && capped > 0n ? 'DecimalSI' : unit.format,
    kept: isKept(digits, fraction.length, unit) ? text : undefined,
  };
}

/** The canonical form: no fraction, the largest exponent. */
export function formatQuantity(quantity: Quantity): string {
  const { nanos, format, kept } = quantity;
  if (nanos === 0n) return '0';
  if (kept !== undefined) return kept;
  const isLarge = nanos <= -1024n * NANOS || nanos >= 1024n * NANOS;
  if (format === 'BinarySI' && isLarge && nanos % NANOS === 0n) {
    const { mantissa, power } = reduce(nanos / NANOS, 1024n, BINARY.length - 1);
    return `${mantissa}${BINARY[power] ?? ''}`;
  }
  const { mantissa, power } = reduce(nanos, 1000n, DECIMAL.length - 1);
  if (format !== 'DecimalExponent') return `${mantissa}${DECIMAL[power] ?? ''}`;
  const exponent = 3 * power - 9;
  return exponent === 0 ? `${mantissa}` : `${mantissa}e${exponent}`;
}

/** The amount in units of `nanos` billionths, rounded away from zero. */
export function scaledValue(quantity: Quantity, nanos: bigint): bigint {
  const { nanos: amount } = quantity;
  return amount < 0n ? -roundUp(-amount, nanos) : roundUp(amount, nanos);
}

type Unit = {
  readonly base: bigint;
  readonly exponent: number;
  readonly format: Quantity['format'];
};

function readSuffix(suffix: string): Unit | undefined {
  const decimal = DECIMAL.indexOf(suffix);
  if (decimal >= 0) return { base: 10n, exponent: 3 * decimal - 9, format: 'DecimalSI' };
  const binary = BINARY.indexOf(suffix);
  if (binary >= 0) return { base: 2n, exponent: 10 * binary, format: 'BinarySI' };
  const exponent = Number(suffix.slice(1));
  if (Math.abs(exponent) > MAX_EXPONENT) return undefined;
  return { base: 10n, exponent, format: 'DecimalExponent' };
}

/** Which texts ParseQuantity takes for canonical by their look, and prints again as they were. */
function isKept(digits: string, places: number, unit: Unit): boolean {
  if (unit.format === 'BinarySI') {
    const precision = 15 - digits.length - Math.trunc((unit.exponent * 3) / 10) - 1;
    return places === 0 && precision >= 0 && BigInt(digits) % 8n !== 0n;
  }
  const scale = unit.exponent - places;
  return (
    digits.length <= 18 &&
    scale >= -9 &&
    scale % 3 === 0 &&
    !digits.endsWith('000') &&
    !digits.startsWith('0')
  );
}

function roundUp(amount: bigint, by: bigint): bigint {
  return (amount + by - 1n) / by;
}

function reduce(amount: bigint, by: bigint, most: number): { mantissa: bigint; power: number } {
  let mantissa = amount;
  let power = 0;
  while (power < most && mantissa % by === 0n) {
    mantissa /= by;
    power += 1;
  }
  return { mantissa, power };
}
