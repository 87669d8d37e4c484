import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { FileAuditLog } from '../../../src/issuer/audit-log.ts';
import { verifyAuditLines } from '../../../src/issuer/audit-verify.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';

const event = (spiffeId: string) =>
  ({ event: 'X509SvidIssued', trustDomain: 'example.org', spiffeId }) as const;

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'signet-audit-'));
  path = join(directory, 'audit.log');
});
afterEach(() => rmSync(directory, { recursive: true }));

function write(...ids: readonly string[]): void {
  const log = new FileAuditLog(path, new FakeClock());
  log.append(ids.map(event));
  log.close();
}

function lines(): string[] {
  return readFileSync(path, 'utf8').split('\n').slice(0, -1);
}

test('lines of several processes are one chain, in a file that only the owner reads', () => {
  write('a', 'b');
  write('c');
  write();
  const verdict = verifyAuditLines(lines());
  assert.deepEqual(verdict.problems, []);
  assert.equal(verdict.lines, 3);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('an edited line shows, wherever it is but last', () => {
  write('a', 'b', 'c');
  for (const at of [0, 1]) {
    const edited = lines();
    edited[at] = edited[at]?.replace('example.org', 'example.net') ?? '';
    assert.deepEqual(verifyAuditLines(edited).problems, [{ line: at + 2, problem: 'Broken' }]);
  }
});

test('an edited last line shows against a head that was noted', () => {
  write('a', 'b');
  const { head } = verifyAuditLines(lines());
  const edited = lines().map((line) => line.replace('"b"', '"x"'));
  assert.deepEqual(verifyAuditLines(edited, head).problems, [{ line: 2, problem: 'CutAtEnd' }]);
  assert.deepEqual(verifyAuditLines(lines(), head).problems, []);
});

test('a removed, doubled or swapped line shows', () => {
  write('a', 'b', 'c', 'd');
  const [a = '', b = '', c = '', d = ''] = lines();
  const first = (...all: string[]) => verifyAuditLines(all).problems[0];
  assert.deepEqual(first(a, c, d), { line: 2, problem: 'Gap' });
  assert.deepEqual(first(b, c, d), { line: 1, problem: 'CutAtStart' });
  assert.deepEqual(first(a, b, b, c, d), { line: 3, problem: 'Gap' });
  assert.deepEqual(first(a, c, b, d), { line: 2, problem: 'Gap' });
});

test('lines cut off at the end show against a head that was noted', () => {
  write('a', 'b', 'c');
  const { head } = verifyAuditLines(lines());
  assert.deepEqual(verifyAuditLines(lines().slice(0, 2), head).problems, [
    { line: 2, problem: 'CutAtEnd' },
  ]);
});

test('what a crash left of a line is named, and the chain goes on after it', () => {
  write('a');
  appendFileSync(path, '{"sequence":2,"eve');
  write('b');
  assert.deepEqual(verifyAuditLines(lines()).problems, [{ line: 2, problem: 'Malformed' }]);
});

test('a symbolic link is not written through', () => {
  symlinkSync(join(directory, 'elsewhere'), path);
  assert.throws(() => new FileAuditLog(path, new FakeClock()), { code: 'ELOOP' });
});

test('a log that cannot be written throws, and the chain is as it was', () => {
  const log = new FileAuditLog('/dev/full', new FakeClock());
  assert.throws(() => log.append([event('a')]), { code: 'unavailable', reason: 'AuditFailed' });
});

test('a disk that is full in the middle of a batch costs part of a line, never a later one', () => {
  let room = Number.POSITIVE_INFINITY;
  const log = new FileAuditLog(path, new FakeClock(), (fd, bytes) => {
    const part = bytes.subarray(0, Math.min(room, bytes.length));
    room -= part.length;
    return writeSync(fd, part);
  });
  log.append([event('a')]);
  const lineBytes = statSync(path).size;
  room = lineBytes + 20;
  assert.throws(() => log.append([event('b'), event('c')]), { reason: 'AuditFailed' });
  assert.throws(() => log.append([event('d')]), { reason: 'AuditFailed' });
  room = Number.POSITIVE_INFINITY;
  log.append([event('e')]);
  log.append([event('f')]);
  log.close();
  assert.deepEqual(verifyAuditLines(lines()).problems, [{ line: 3, problem: 'Malformed' }]);
  assert.deepEqual(
    lines().map((line) => /"spiffeId":"(.)"/.exec(line)?.[1]),
    ['a', 'b', undefined, 'e', 'f'],
  );
});

test('a last line longer than what is read at once does not begin the chain anew', () => {
  write('a', 'x'.repeat(300_000));
  write('b');
  assert.deepEqual(verifyAuditLines(lines()).problems, []);
});

test('a file that others may write is no audit log', () => {
  write('a');
  chmodSync(path, 0o620);
  assert.throws(() => new FileAuditLog(path, new FakeClock()), { code: 'failed-precondition' });
});
