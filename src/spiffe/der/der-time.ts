// Validity dates (RFC 5280 §4.1.2.5): UTCTime through 2049, GeneralizedTime from 2050, both in whole
// seconds of UTC. Times are milliseconds since the epoch.

import { invalid } from '../../base/errors.ts';
import type { DerReader } from './der-reader.ts';
import { TAG } from './der-tag.ts';
import { asciiText, type DerElement } from './der-writer.ts';

/** Year 1950 to year 9999; parts of a second are cut off. */
export function encodeTime(ms: number): DerElement {
  if (!(ms >= MIN_MS && ms <= MAX_MS)) throw invalid('time: not within the years 1950 to 9999');
  const digits = new Date(ms).toISOString().replace(/[-:T]|\..*/g, '');
  return ms < YEAR_2050_MS
    ? asciiText(TAG.UTC_TIME, `${digits.slice(2)}Z`, 'time')
    : asciiText(TAG.GENERALIZED_TIME, `${digits}Z`, 'time');
}

/** The last whole second of a time, still in milliseconds: all that a certificate can say. */
export function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}

export function readTime(reader: DerReader, field: string): number {
  const isShort = reader.isNext(TAG.UTC_TIME);
  const text = reader.content(isShort ? TAG.UTC_TIME : TAG.GENERALIZED_TIME);
  const digits = isShort ? 12 : 14;
  if (text.length !== digits + 1 || text[digits] !== LETTER_Z) {
    throw invalid(`${field}: not in whole seconds of UTC`);
  }
  const tens = (at: number): number => twoDigits(text[at], text[at + 1]);
  const at = digits - 10;
  const year = isShort ? sinceYear1950(tens(0)) : tens(0) * 100 + tens(2);
  const ms = Date.UTC(year, tens(at) - 1, tens(at + 2), tens(at + 4), tens(at + 6), tens(at + 8));
  // What is too much for one unit moves the next larger one, so seconds need no look of their own;
  // two digits that are none become NaN.
  const date = new Date(ms);
  const exists =
    date.getUTCFullYear() === year &&
    date.getUTCMonth() === tens(at) - 1 &&
    date.getUTCDate() === tens(at + 2) &&
    date.getUTCHours() === tens(at + 4) &&
    date.getUTCMinutes() === tens(at + 6);
  if (!exists) throw invalid(`${field}: not a date`);
  return ms;
}

const MIN_MS = Date.UTC(1950, 0);
const YEAR_2050_MS = Date.UTC(2050, 0);
const MAX_MS = Date.UTC(9999, 11, 31, 23, 59, 59);
const LETTER_Z = 0x5a;

function sinceYear1950(twoDigitYear: number): number {
  return twoDigitYear >= 50 ? 1900 + twoDigitYear : 2000 + twoDigitYear;
}

function twoDigits(tens = 0, ones = 0): number {
  return isDigit(tens) && isDigit(ones) ? (tens - 0x30) * 10 + (ones - 0x30) : Number.NaN;
}

function isDigit(octet: number): boolean {
  return octet >= 0x30 && octet <= 0x39;
}
