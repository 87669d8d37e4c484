// Go's time.Time in UTC: parsing of RFC 3339 as the API server writes it, and Go's layouts, which
// spell the reference time Mon Jan 2 15:04:05 MST 2006.

export type GoTime = {
  /** Seconds since 1970. */
  readonly seconds: number;
  readonly nanos: number;
};

/** Midnight of 1 January of year 1. */
export const ZERO_TIME: GoTime = { seconds: -62_135_596_800, nanos: 0 };

/** The layout of time.Time's String. */
export const STRING_LAYOUT = '2006-01-02 15:04:05.999999999 -0700 MST';

const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:Z|([+-])(\d\d):(\d\d))$/;
const CHUNK =
  /January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|0[1-6]|002|15?|2006|__2|_2(?!006)|[2345]|PM|pm|[-Z]07(?::00:00|0000|:00|00)?|[.,](?:0+|9+)(?!\d)/g;
const WEEKDAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');
const MONTHS =
  'January February March April May June July August September October November December'.split(
    ' ',
  );

/** Undefined when `text` is not an RFC 3339 time. */
export function parseTime(text: string): GoTime | undefined {
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map(Number);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const isDate = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  const [, , , , , , , fraction = '', sign = '+', offsetHour = '0', offsetMinute = '0'] = match;
  const isClock = hour < 24 && minute < 60 && second < 60;
  const isOffset = Number(offsetHour) <= 24 && Number(offsetMinute) < 60;
  if (!isDate || !isClock || !isOffset) return undefined;
  const offset = (Number(offsetHour) * 3600 + Number(offsetMinute) * 60) * (sign === '-' ? -1 : 1);
  const seconds = date.getTime() / 1000 + hour * 3600 + minute * 60 + second - offset;
  return { seconds, nanos: Number(fraction.padEnd(9, '0')) };
}

export type TimeParts = {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  /** Sunday is 0. */
  readonly weekday: number;
  /** From 1. */
  readonly yearDay: number;
};

export function timeParts(time: GoTime): TimeParts {
  const date = new Date(time.seconds * 1000);
  const newYear = new Date(0);
  newYear.setUTCFullYear(date.getUTCFullYear(), 0, 1);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    weekday: date.getUTCDay(),
    yearDay: Math.floor((date.getTime() - newYear.getTime()) / 86_400_000) + 1,
  };
}

export function monthName(month: number | bigint): string {
  return MONTHS[Number(month) - 1] ?? '';
}

export function weekdayName(weekday: number | bigint): string {
  return WEEKDAYS[Number(weekday)] ?? '';
}

export function compareTimes(a: GoTime, b: GoTime): number {
  return a.seconds - b.seconds || a.nanos - b.nanos;
}

export function formatTime(time: GoTime, layout: string): string {
  const parts = timeParts(time);
  return layout.replace(CHUNK, (chunk) => formatChunk(chunk, parts, time.nanos));
}

function formatChunk(chunk: string, parts: TimeParts, nanos: number): string {
  switch (chunk) {
    case 'January':
      return monthName(parts.month);
    case 'Jan':
      return monthName(parts.month).slice(0, 3);
    case 'Monday':
      return weekdayName(parts.weekday);
    case 'Mon':
      return weekdayName(parts.weekday).slice(0, 3);
    case 'MST':
      return 'UTC';
    case '2006':
      return String(parts.year).padStart(4, '0');
    case '06':
      return pad(parts.year % 100);
    case '1':
      return String(parts.month);
    case '01':
      return pad(parts.month);
    case '2':
      return String(parts.day);
    case '_2':
      return String(parts.day).padStart(2);
    case '02':
      return pad(parts.day);
    case '__2':
      return String(parts.yearDay).padStart(3);
    case '002':
      return String(parts.yearDay).padStart(3, '0');
    case '15':
      return pad(parts.hour);
    case '3':
      return String(parts.hour % 12 || 12);
    case '03':
      return pad(parts.hour % 12 || 12);
    case '4':
      return String(parts.minute);
    case '04':
      return pad(parts.minute);
    case '5':
      return String(parts.second);
    case '05':
      return pad(parts.second);
    case 'PM':
      return parts.hour >= 12 ? 'PM' : 'AM';
    case 'pm':
      return parts.hour >= 12 ? 'pm' : 'am';
    default:
      return chunk.includes('07') ? utcOffset(chunk) : fraction(chunk, nanos);
  }
}

function pad(number: number): string {
  return String(number).padStart(2, '0');
}

function utcOffset(chunk: string): string {
  return chunk.startsWith('Z') ? 'Z' : chunk.replace('-07', '+00');
}

/** `.000` has that many digits; `.999` drops its trailing zeros, and itself when none are left. */
function fraction(chunk: string, nanos: number): string {
  const digits = String(nanos)
    .padStart(9, '0')
    .slice(0, chunk.length - 1);
  if (chunk.charAt(1) === '0') return chunk.charAt(0) + digits;
  const kept = digits.replace(/0+$/, '');
  return kept === '' ? '' : chunk.charAt(0) + kept;
}
