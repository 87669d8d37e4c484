// Tar archives (ustar) whose bytes depend on nothing but names and contents: sorted, of root, of the
// first second of 1970.

import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';

export type TarEntry = {
  /** Relative and with `/`, without one at its end. */
  readonly name: string;
  /** A directory has none. */
  readonly content?: Uint8Array;
  readonly mode: number;
};

const BLOCK = 512;
const MAX_NAME = 100;
const CHECKSUM = { at: 148, length: 8 };

/** Writes the archive with all parent directories; returns its SHA-256 and size. */
export function writeTar(path: string, entries: readonly TarEntry[]) {
  const hash = createHash('sha256');
  const file = openSync(path, 'w');
  let size = 0;
  const write = (bytes: Uint8Array): void => {
    hash.update(bytes);
    size += bytes.length;
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
  };
  try {
    for (const entry of withParents(entries)) {
      const { content = new Uint8Array() } = entry;
      write(header(entry));
      write(content);
      write(new Uint8Array(-content.length & (BLOCK - 1)));
    }
    write(new Uint8Array(2 * BLOCK));
  } finally {
    closeSync(file);
  }
  return { digest: hash.digest('hex'), size };
}

function withParents(entries: readonly TarEntry[]): readonly TarEntry[] {
  const all = new Map<string, TarEntry>();
  for (const entry of entries) {
    const parts = entry.name.split('/');
    for (let length = 1; length < parts.length; length += 1) {
      const name = parts.slice(0, length).join('/');
      if (!all.has(name)) all.set(name, { name, mode: 0o755 });
    }
    all.set(entry.name, entry);
  }
  return [...all.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function header({ name, content, mode }: TarEntry): Uint8Array {
  const path = content === undefined ? `${name}/` : name;
  if (Buffer.byteLength(path) > MAX_NAME) throw new Error(`${path}: too long for this archive`);
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number): void => {
    block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at);
  };
  block.write(path, 0);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(content?.length ?? 0, 124, 12);
  octal(0, 136, 12);
  block.write(' '.repeat(CHECKSUM.length), CHECKSUM.at);
  block.write(content === undefined ? '5' : '0', 156);
  block.write('ustar\0', 257);
  block.write('00', 263);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, CHECKSUM.at);
  return block;
}
