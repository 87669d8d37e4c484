// The files of one log: the one that is written, and those set aside before it, numbered from 1. Read
// without holding much of them: a log may be larger than memory.

import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  writeSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { type ChainHead, headAfter } from './audit-chain.ts';

type Head = Omit<ChainHead, 'replica'>;

const DIGITS = 6;
const TAIL_BYTES = 64 * 1024;
const READ_BYTES = 256 * 1024;
/** Longer than any line of ours; what is longer is cut there, and is then no line. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;
const READ_ONLY = constants.O_RDONLY | constants.O_NOFOLLOW;

/** `audit.jsonl.000001` */
export function setAsideName(path: string, number: number): string {
  return `${path}.${String(number).padStart(DIGITS, '0')}`;
}

export function nextNumber(path: string): number {
  return Math.max(0, ...numbersOf(path)) + 1;
}

/** The files that were set aside, oldest first; each is looked into only when it is asked for. */
export function setAside(
  path: string,
): readonly { readonly path: string; readonly head: Head | undefined }[] {
  return numbersOf(path).map((number) => ({
    path: setAsideName(path, number),
    get head() {
      const fd = openSync(this.path, READ_ONLY);
      try {
        return lastHead(fd, false);
      } finally {
        closeSync(fd);
      }
    },
  }));
}

function numbersOf(path: string): readonly number[] {
  const start = `${basename(path)}.`;
  return readdirSync(dirname(path))
    .flatMap((name) => {
      const end = name.startsWith(start) ? name.slice(start.length) : '';
      return /^[0-9]{6,12}$/.test(end) ? [Number(end)] : [];
    })
    .toSorted((a, b) => a - b);
}

/**
 * What follows the last whole line. A line cut short by a crash, or by a full disk, is not part of the
 * chain; the next line begins after it, and a reader sees where. However long lines are, the last one is
 * found: a chain that began anew would hide what was before.
 */
export function lastHead(fd: number, mends = true): Head | undefined {
  const { size } = fstatSync(fd);
  for (let bytes = TAIL_BYTES; ; bytes *= 4) {
    const tail = Buffer.alloc(Math.min(size, bytes));
    readSync(fd, tail, 0, tail.length, size - tail.length);
    const text = tail.toString('utf8');
    const lines = text.split('\n').slice(tail.length < size ? 1 : 0, -1);
    let last: Head | undefined;
    for (let at = lines.length - 1; at >= 0 && last === undefined; at -= 1) {
      last = headAfter(lines[at] ?? '');
    }
    if (last === undefined && tail.length < size) continue;
    if (mends && text !== '' && !text.endsWith('\n')) writeSync(fd, '\n');
    return last;
  }
}

/** The lines of a file, or of standard input under the name `-`; what is left after the last one too. */
export function* linesOf(path: string): Generator<string, void, undefined> {
  const fd = path === '-' ? 0 : openSync(path, constants.O_RDONLY);
  try {
    const buffer = Buffer.alloc(READ_BYTES);
    let rest: Buffer = Buffer.alloc(0);
    for (;;) {
      const read = readSync(fd, buffer);
      if (read === 0) break;
      const part = Buffer.concat([rest, buffer.subarray(0, read)]);
      let start = 0;
      for (let end = part.indexOf('\n'); end !== -1; end = part.indexOf('\n', start)) {
        yield part.toString('utf8', start, end);
        start = end + 1;
      }
      rest = part.subarray(start, start + MAX_LINE_BYTES);
    }
    if (rest.length > 0) yield rest.toString('utf8');
  } finally {
    if (path !== '-') closeSync(fd);
  }
}
