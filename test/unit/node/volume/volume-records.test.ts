import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { type VolumeRecord, VolumeRecords } from '../../../../src/node/volume/volume-records.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'signet-records-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const volumeId = `csi-${'a'.repeat(64)}`;
const record: VolumeRecord = {
  volumeId,
  targetPath: '/var/lib/kubelet/pods/u/volumes/kubernetes.io~csi/v/mount',
  podUid: 'u',
  namespace: 'shop',
  podName: 'web-1',
  serviceAccount: 'default',
  volumeName: 'v',
  attributes: { 'signet.dev/require-identity': 'true' },
};
const file = () => join(directory, `${volumeId}.json`);

function load(): { records: readonly VolumeRecord[]; broken: string[] } {
  const broken: string[] = [];
  const records = new VolumeRecords(directory).load((path) => broken.push(path));
  return { records, broken };
}

test('what was saved is loaded, by another instance too', async () => {
  await new VolumeRecords(directory).save(record);
  assert.deepEqual(load(), { records: [record], broken: [] });
  assert.equal(statSync(file()).mode & 0o777, 0o600);
});

test('an unchanged record is not written again, a changed one is replaced whole', async () => {
  const records = new VolumeRecords(directory);
  await records.save(record);
  const before = statSync(file()).ino;
  await records.save({ ...record });
  assert.equal(statSync(file()).ino, before);
  await records.save({ ...record, podName: 'web-2' });
  assert.notEqual(statSync(file()).ino, before);
  assert.equal(load().records[0]?.podName, 'web-2');
  assert.deepEqual(readdirSync(directory), [`${volumeId}.json`]);
});

test('a record torn at any byte is reported and left, never half believed', async () => {
  await new VolumeRecords(directory).save(record);
  const whole = readFileSync(file());
  for (let length = 0; length < whole.length - 1; length += 1) {
    writeFileSync(file(), whole.subarray(0, length));
    assert.deepEqual(load(), { records: [], broken: [file()] }, `${length} bytes`);
  }
  assert.deepEqual(readdirSync(directory), [`${volumeId}.json`]);
});

const wrong: readonly (readonly [string, unknown])[] = [
  ['null', null],
  ['a list', []],
  ['a field that is missing', { ...record, podUid: undefined }],
  ['a field of another type', { ...record, namespace: 7 }],
  ['attributes that are none', { ...record, attributes: null }],
  ['an attribute of another type', { ...record, attributes: { a: 1 } }],
  ['another volume id than the file name', { ...record, volumeId: `csi-${'b'.repeat(64)}` }],
  ['a volume id that climbs', { ...record, volumeId: '../../etc/passwd' }],
];
for (const [name, content] of wrong) {
  test(`not believed: ${name}`, () => {
    writeFileSync(file(), JSON.stringify(content));
    assert.deepEqual(load(), { records: [], broken: [file()] });
  });
}

test('fields that are not a record’s are not taken over', () => {
  writeFileSync(file(), JSON.stringify({ extra: 1, ...record }));
  assert.deepEqual(load().records, [record]);
});

test('what a crash left half written is never read, and removed at the next start', () => {
  writeFileSync(join(directory, `.${volumeId}.tmp`), '{');
  assert.deepEqual(load(), { records: [], broken: [] });
  assert.equal(readdirSync(directory).length, 1, 'another instance may be writing it');
  new VolumeRecords(directory).removeUnfinished();
  assert.deepEqual(readdirSync(directory), []);
});

test('KU-04: a volume id that is not the kubelet’s never becomes a file name', async () => {
  const records = new VolumeRecords(directory);
  await assert.rejects(records.save({ ...record, volumeId: '../x' }), TypeError);
  assert.throws(() => records.remove('../x'), TypeError);
});
