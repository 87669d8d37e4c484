// Archives of the image: what is in them, and that nothing else changes their bytes.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type TarEntry, writeTar } from '../../../scripts/image-tar.ts';

const DIRECTORY = mkdtempSync(join(tmpdir(), 'signet-tar-'));
after(() => rmSync(DIRECTORY, { recursive: true }));

const ENTRIES: readonly TarEntry[] = [
  { name: 'usr/bin/b', content: Buffer.from('b'.repeat(513)), mode: 0o755 },
  { name: 'a', content: Buffer.from('aa'), mode: 0o644 },
];

function written(entries: readonly TarEntry[]) {
  const path = join(DIRECTORY, 'x.tar');
  const result = writeTar(path, entries);
  return { ...result, bytes: readFileSync(path) };
}

function headers(bytes: Buffer): readonly (readonly [name: string, mode: string, size: number])[] {
  const found: (readonly [string, string, number])[] = [];
  for (let offset = 0; bytes[offset] !== 0; ) {
    const field = (from: number, to: number) =>
      bytes.toString('latin1', offset + from, offset + to).split('\0', 1)[0] ?? '';
    const block = Buffer.from(bytes.subarray(offset, offset + 512));
    const sum = Number.parseInt(field(148, 156), 8);
    block.fill(' ', 148, 156);
    assert.equal(
      sum,
      block.reduce((total, byte) => total + byte, 0),
    );
    assert.equal(field(136, 148), '00000000000');
    const size = Number.parseInt(field(124, 136), 8);
    found.push([field(0, 100), field(100, 108), size]);
    offset += 512 + Math.ceil(size / 512) * 512;
  }
  return found;
}

test('an archive has its entries and their parents, sorted', () => {
  const { bytes, size } = written(ENTRIES);
  assert.deepEqual(headers(bytes), [
    ['a', '0000644', 2],
    ['usr/', '0000755', 0],
    ['usr/bin/', '0000755', 0],
    ['usr/bin/b', '0000755', 513],
  ]);
  assert.equal(size, bytes.length);
  assert.equal(size % 512, 0);
});

test('the same entries in another order make the same bytes', () => {
  assert.equal(written(ENTRIES).digest, written(ENTRIES.toReversed()).digest);
});

test('a name that would be cut off is refused', () => {
  const name = 'x'.repeat(101);
  assert.throws(() => written([{ name, content: Buffer.alloc(0), mode: 0o644 }]), /too long/);
});
