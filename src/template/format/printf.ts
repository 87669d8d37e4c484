// Go's Sprintf: the format language with its flags, argument indexes and `%!` complaints.

import { invalid } from '../../base/errors.ts';
import { type Budget, MAX_WIDTH } from '../budget.ts';
import { isInvalidByte, joinBytes } from '../value/go-string.ts';
import { integerOf, isInteger, isInvalid, type Value } from '../value/value.ts';
import { type Flags, NO_FLAGS } from './flags.ts';
import { printArgument, typeName } from './print-value.ts';

/** Go takes no width, precision or argument index beyond this for a number. */
const MAX_NUMBER = 1_000_000;

export function sprintf(format: string, args: readonly Value[], budget: Budget): string {
  return new Formatter(format, args, budget).run();
}

class Formatter {
  readonly #format: string;
  readonly #args: readonly Value[];
  readonly #budget: Budget;
  #out = '';
  #at = 0;
  #arg = 0;
  /** Whether the format names arguments by index; then extra ones are not reported. */
  #isReordered = false;
  #isGoodIndex = true;
  /** Whether what was read last is an index such as [3]. */
  #afterIndex = false;

  constructor(format: string, args: readonly Value[], budget: Budget) {
    this.#format = format;
    this.#args = args;
    this.#budget = budget;
  }

  run(): string {
    while (this.#at < this.#format.length) {
      const percent = this.#format.indexOf('%', this.#at);
      const end = percent < 0 ? this.#format.length : percent;
      this.#write(this.#format.slice(this.#at, end));
      this.#at = end + 1;
      if (percent >= 0) this.#verb();
    }
    this.#extra();
    return joinBytes([this.#out]);
  }

  #verb(): void {
    this.#isGoodIndex = true;
    this.#afterIndex = false;
    const simple = this.#simpleFlags();
    this.#index();
    const { width, minus } = this.#width();
    const precision = this.#precision();
    if (!this.#afterIndex) this.#index();
    if (this.#at >= this.#format.length) {
      this.#write('%!(NOVERB)');
      return;
    }
    const char = String.fromCodePoint(this.#format.codePointAt(this.#at) ?? 0);
    this.#at += char.length;
    const verb = isInvalidByte(char) ? '\ufffd' : char;
    if (verb === '%') this.#write('%');
    else if (!this.#isGoodIndex) this.#write(`%!${verb}(BADINDEX)`);
    else this.#argument(verb, { ...simple, width, precision, minus: simple.minus || minus });
  }

  #argument(verb: string, flags: Flags): void {
    const arg = this.#args[this.#arg];
    if (arg === undefined) {
      this.#write(`%!${verb}(MISSING)`);
      return;
    }
    this.#arg += 1;
    const isV = verb === 'v' || verb === 'w';
    const forV = { ...flags, sharp: false, plus: false, sharpV: flags.sharp, plusV: flags.plus };
    this.#write(printArgument(arg, verb, isV ? forV : flags));
  }

  #simpleFlags(): Flags {
    const start = this.#at;
    while ('#0+- '.includes(this.#format.charAt(this.#at) || 'x')) this.#at += 1;
    const set = this.#format.slice(start, this.#at);
    return {
      ...NO_FLAGS,
      sharp: set.includes('#'),
      zero: set.includes('0'),
      plus: set.includes('+'),
      minus: set.includes('-'),
      space: set.includes(' '),
    };
  }

  /** An argument index such as [3], when one is next. */
  #index(): void {
    this.#afterIndex = false;
    if (this.#format.charAt(this.#at) !== '[') return;
    this.#isReordered = true;
    // Fewer than the three characters of [n] are not looked at.
    const isShort = this.#format.length - this.#at < 3;
    const close = isShort ? -1 : this.#format.indexOf(']', this.#at);
    const inner = close < 0 ? '' : this.#format.slice(this.#at + 1, close);
    this.#at = close < 0 ? this.#at + 1 : close + 1;
    this.#afterIndex = /^\d+$/.test(inner) && !isTooLong(Number(inner));
    const index = Number(inner) - 1;
    if (this.#afterIndex && index >= 0 && index < this.#args.length) this.#arg = index;
    else this.#isGoodIndex = false;
  }

  #width(): { width: number | undefined; minus: boolean } {
    if (this.#format.charAt(this.#at) === '*') {
      const width = this.#starNumber();
      if (width === undefined) this.#write('%!(BADWIDTH)');
      return {
        width: width === undefined ? undefined : checkSize(Math.abs(width)),
        minus: width !== undefined && width < 0,
      };
    }
    const width = this.#number();
    if (this.#afterIndex && width !== undefined) this.#isGoodIndex = false;
    return { width: checkSize(width), minus: false };
  }

  #precision(): number | undefined {
    if (this.#format.charAt(this.#at) !== '.' || this.#at + 1 >= this.#format.length)
      return undefined;
    this.#at += 1;
    if (this.#afterIndex) this.#isGoodIndex = false;
    this.#index();
    if (this.#format.charAt(this.#at) !== '*') return checkSize(this.#number() ?? 0);
    const precision = this.#starNumber();
    if (precision !== undefined && precision >= 0) return checkSize(precision);
    this.#write('%!(BADPREC)');
    return undefined;
  }

  /** The integer argument that a * stands for; undefined when it is none, or too large. */
  #starNumber(): number | undefined {
    this.#at += 1;
    this.#afterIndex = false;
    const arg = this.#args[this.#arg];
    if (arg === undefined) return undefined;
    this.#arg += 1;
    if (!isInteger(arg)) return undefined;
    const number = Number(integerOf(arg));
    return Math.abs(number) > MAX_NUMBER ? undefined : number;
  }

  /** Digits in the format; a number too large swallows the rest of the format, as in Go. */
  #number(): number | undefined {
    const start = this.#at;
    while (/\d/.test(this.#format.charAt(this.#at))) this.#at += 1;
    if (this.#at === start) return undefined;
    const number = Number(this.#format.slice(start, this.#at));
    if (!isTooLong(number)) return number;
    this.#at = this.#format.length;
    return undefined;
  }

  #extra(): void {
    if (this.#isReordered || this.#arg >= this.#args.length) return;
    const extra = this.#args.slice(this.#arg).map((arg) => {
      const text = printArgument(arg, 'v', NO_FLAGS);
      return isInvalid(arg) ? text : `${typeName(arg)}=${text}`;
    });
    this.#write(`%!(EXTRA ${extra.join(', ')})`);
  }

  #write(text: string): void {
    this.#budget.spend(text);
    this.#out += text;
  }
}

/** Go stops reading digits after a number beyond its limit. */
function isTooLong(number: number): boolean {
  return Math.floor(number / 10) > MAX_NUMBER;
}

function checkSize(size: number | undefined): number | undefined {
  if (size === undefined || size <= MAX_WIDTH) return size;
  throw invalid(`printf width or precision ${size} is more than ${MAX_WIDTH}`);
}
