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
import { FileAuditLog } from '../../../src/audit/file-audit-log.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';
import { problemsIn, verifyLines } from './audit-harness.ts';

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
  const { problems, chains } = verifyLines({ log: lines() });
  assert.deepEqual(problems, []);
  // One more says who writes.
  assert.deepEqual(
    chains.map(({ first, last }) => [first, last]),
    [[1, 4]],
  );
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('what a crash left of a line is named, and the chain goes on after it', () => {
  write('a');
  appendFileSync(path, '{"sequence":2,"eve');
  write('b');
  const { problems, otherLines } = verifyLines({ log: lines() });
  assert.deepEqual([problems, otherLines], [[], 1]);
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
  const log = new FileAuditLog(path, new FakeClock(), {
    write: (fd, bytes) => {
      const part = bytes.subarray(0, Math.min(room, bytes.length));
      room -= part.length;
      return writeSync(fd, part);
    },
  });
  log.append([event('a')]);
  room = Buffer.byteLength(lines().at(-1) ?? '') + 40;
  assert.throws(() => log.append([event('b'), event('c')]), { reason: 'AuditFailed' });
  assert.throws(() => log.append([event('d')]), { reason: 'AuditFailed' });
  room = Number.POSITIVE_INFINITY;
  log.append([event('e')]);
  log.append([event('f')]);
  log.close();
  const { problems, otherLines } = verifyLines({ log: lines() });
  assert.deepEqual([problems, otherLines], [[], 1]);
  assert.deepEqual(
    lines().map((line) => /"spiffeId":"(.)"/.exec(line)?.[1]),
    [undefined, 'a', 'b', undefined, 'e', 'f'],
  );
});

test('a last line longer than what is read at once does not begin the chain anew', () => {
  write('a', 'x'.repeat(300_000));
  write('b');
  assert.deepEqual(problemsIn(verifyLines({ log: lines() })), []);
});

test('a file that others may write is no audit log', () => {
  write('a');
  chmodSync(path, 0o620);
  assert.throws(() => new FileAuditLog(path, new FakeClock()), { code: 'failed-precondition' });
});
