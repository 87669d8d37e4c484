// The exact decimal digits of a float64, and Go's rounding of them: to even on a tie. JavaScript's
// own toFixed and toExponential round ties up, and stop at 100 digits.

export type Decimal = {
  /** Digits without leading or trailing zeros; empty for zero. */
  readonly digits: string;
  /** The decimal point stands before digit number `point`. */
  readonly point: number;
};

/** The fewest digits that read back as the same number. */
export function shortestDecimal(magnitude: number): Decimal {
  const [mantissa = '', exponent = '0'] = magnitude.toExponential().split('e');
  return trim({ digits: mantissa.replace('.', ''), point: Number(exponent) + 1 });
}

/** Every digit of a finite number that is not negative. */
export function exactDecimal(magnitude: number): Decimal {
  const bits = Buffer.alloc(8);
  bits.writeDoubleBE(magnitude);
  const word = bits.readBigUInt64BE();
  const biased = Number(word >> 52n);
  const fraction = word & (2n ** 52n - 1n);
  const mantissa = biased === 0 ? fraction : fraction + 2n ** 52n;
  const exponent = Math.max(1, biased) - 1075;
  // m / 2^k is m * 5^k / 10^k.
  const digits = String(
    exponent >= 0 ? mantissa << BigInt(exponent) : mantissa * 5n ** BigInt(-exponent),
  );
  return trim({ digits, point: digits.length - Math.max(0, -exponent) });
}

/** Rounded to `count` digits, which may be none or fewer. */
export function roundDecimal(decimal: Decimal, count: number): Decimal {
  const { digits, point } = decimal;
  if (count >= digits.length) return decimal;
  if (count < 0) return { digits: '', point: 0 };
  const kept = digits.slice(0, count);
  const rest = digits.slice(count);
  const isOdd = Number(kept.at(-1) ?? '0') % 2 === 1;
  const isUp = rest > '5' || (rest === '5' && isOdd);
  if (!isUp) return trim({ digits: kept, point });
  const raised = String(BigInt(`1${kept}`) + 1n);
  const hasCarry = raised.startsWith('2');
  return trim({
    digits: hasCarry ? `1${raised.slice(1)}` : raised.slice(1),
    point: hasCarry ? point + 1 : point,
  });
}

function trim({ digits, point }: Decimal): Decimal {
  const leading = /^0*/.exec(digits)?.[0].length ?? 0;
  const kept = digits.slice(leading).replace(/0+$/, '');
  return kept === '' ? { digits: '', point: 0 } : { digits: kept, point: point - leading };
}
