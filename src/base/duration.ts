// Go durations, the notation of Kubernetes manifests and of our flags: `1h30m`, `500ms`, `-2s`.

import { invalid } from './errors.ts';

const UNIT_NS: ReadonlyMap<string, bigint> = new Map([
  ['ns', 1n],
  ['us', 1_000n],
  ['µs', 1_000n],
  ['μs', 1_000n],
  ['ms', 1_000_000n],
  ['s', 1_000_000_000n],
  ['m', 60_000_000_000n],
  ['h', 3_600_000_000_000n],
]);

const MAX_NS = 2n ** 63n - 1n;
const TERM = /(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/y;

/**
 * Nanoseconds of a Go duration string, exactly as `time.ParseDuration` reads it.
 * Throws `invalid-argument` naming `field`.
 */
export function parseDurationNs(text: string, field: string): bigint {
  const bad = () => invalid(`${field}: "${text}" is not a duration such as 1h30m or 90s`);
  const sign = text.startsWith('-') ? -1n : 1n;
  let at = text.startsWith('-') || text.startsWith('+') ? 1 : 0;
  if (text.slice(at) === '0') return 0n;
  if (at === text.length) throw bad();
  let total = 0n;
  while (at < text.length) {
    TERM.lastIndex = at;
    const match = TERM.exec(text);
    if (match === null) throw bad();
    const [all, whole = '', fraction = '', unit = ''] = match;
    if (whole === '' && fraction === '') throw bad();
    const unitNs = UNIT_NS.get(unit) ?? 0n;
    total += BigInt(whole === '' ? '0' : whole) * unitNs + fractionNs(fraction, unitNs);
    if (total > MAX_NS) throw bad();
    at += all.length;
  }
  return sign * total;
}

/** Whole seconds of a Go duration, cut toward zero as the SPIRE Controller Manager cuts them. */
export function parseDurationSeconds(text: string, field: string): number {
  return Number(parseDurationNs(text, field) / 1_000_000_000n);
}

function fractionNs(digits: string, unitNs: bigint): bigint {
  if (digits === '') return 0n;
  const shown = digits.slice(0, 18);
  return (BigInt(shown) * unitNs) / 10n ** BigInt(shown.length);
}
