import assert from 'node:assert/strict';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { linesOf } from '../../../src/audit/audit-files.ts';
import { FileAuditLog } from '../../../src/audit/file-audit-log.ts';
import { type AuditReport, verifyAudit } from '../../../src/audit/verify-audit.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';
import { issued, problemsIn } from './audit-harness.ts';

const MAX = 2000;
let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'signet-audit-'));
  path = join(directory, 'audit.jsonl');
});
afterEach(() => rmSync(directory, { recursive: true }));

function write(count: number): void {
  const log = new FileAuditLog(path, new FakeClock(), { maxBytes: MAX });
  for (let at = 0; at < count; at += 1) log.append([issued(String(at).padStart(40, '0'))]);
  log.close();
}

/** As a shell hands them over: by name, which is not the order of writing. */
function verifyAll(): AuditReport {
  const inputs = readdirSync(directory).map((name) => ({
    name,
    lines: () => linesOf(join(directory, name)),
  }));
  return verifyAudit({ inputs });
}

test('files are set aside before they are too large, and their lines are one chain', () => {
  write(20);
  const names = readdirSync(directory).toSorted();
  assert.ok(names.length > 2, names.join(' '));
  assert.deepEqual(names.slice(0, 3), ['audit.jsonl', 'audit.jsonl.000001', 'audit.jsonl.000002']);
  for (const name of names) assert.ok(statSync(join(directory, name)).size <= MAX, name);
  write(1);
  const report = verifyAll();
  assert.deepEqual(problemsIn(report), []);
  assert.deepEqual(
    report.chains.map(({ first, last, lines }) => [first, last, lines]),
    [[1, 22, 22]],
  );
});

test('a crash after a file was set aside, before or after the next was made, costs nothing', () => {
  write(3);
  renameSync(path, `${path}.000001`);
  write(1);
  renameSync(path, `${path}.000002`);
  writeFileSync(path, '', { mode: 0o600 });
  write(2);
  const report = verifyAll();
  assert.deepEqual(problemsIn(report), []);
  assert.equal(report.chains.length, 1);
});

test('a file that is missing in the middle is a gap', () => {
  write(20);
  rmSync(`${path}.000002`);
  assert.deepEqual(
    verifyAll().problems.map(({ problem }) => problem),
    ['Gap'],
  );
});

test('what cannot be set aside grows on, and no line is lost', () => {
  write(2);
  const log = new FileAuditLog(path, new FakeClock(), { maxBytes: MAX });
  // Somebody took the file away: there is no name to be changed.
  renameSync(path, `${path}-moved`);
  for (let at = 0; at < 10; at += 1) log.append([issued(`${at}`)]);
  log.close();
  assert.ok(statSync(`${path}-moved`).size > MAX);
  assert.equal(readFileSync(`${path}-moved`, 'utf8').trimEnd().split('\n').length, 13);
  assert.deepEqual(problemsIn(verifyAll()), []);
});
