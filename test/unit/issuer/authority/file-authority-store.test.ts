import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { inspect } from 'node:util';
import { createLogger } from '../../../../src/base/log.ts';
import { FileAuthorityStore } from '../../../../src/issuer/authority/file-authority-store.ts';

const DAMAGED = { code: 'failed-precondition', reason: 'StateDamaged' };

let directory: string;
let store: FileAuthorityStore;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'signet-store-'));
  store = new FileAuthorityStore(directory);
});
afterEach(() => rmSync(directory, { recursive: true }));

const fileOf = (name: string) => join(directory, `${name}.json`);

test('a document is written once for each version, and only its owner reads it', async () => {
  assert.equal(await store.read('root-key'), undefined);
  await store.write('root-key', { format: 1 }, undefined);
  const first = (await store.read('root-key')) ?? assert.fail();
  assert.deepEqual(first.value, { format: 1 });
  await assert.rejects(store.write('root-key', {}, undefined), { code: 'aborted' });
  await store.write('root-key', { format: 2 }, first.version);
  await assert.rejects(store.write('root-key', {}, first.version), { code: 'aborted' });
  assert.equal(statSync(fileOf('root-key')).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(directory), ['root-key.json']);
});

test('what a crash left of a write is neither read nor in the way', async () => {
  writeFileSync(join(directory, 'state.json.tmp'), '{"half":');
  assert.equal(await store.read('state'), undefined);
  await store.write('state', { whole: true }, undefined);
  assert.deepEqual((await store.read('state'))?.value, { whole: true });
});

test('the place of a temporary file is no way to write through a symbolic link', async () => {
  symlinkSync(join(directory, 'victim'), join(directory, 'state.json.tmp'));
  await store.write('state', {}, undefined);
  assert.deepEqual(readdirSync(directory), ['state.json']);
});

test('a symbolic link is not followed, whatever it leads to', async () => {
  await store.write('root-key', {}, undefined);
  renameSync(fileOf('root-key'), join(directory, 'elsewhere'));
  symlinkSync(join(directory, 'elsewhere'), fileOf('root-key'));
  await assert.rejects(store.read('root-key'), DAMAGED);
});

test('keys that others can read or change are not used', async () => {
  await store.write('root-key', {}, undefined);
  for (const mode of [0o640, 0o604, 0o620]) {
    chmodSync(fileOf('root-key'), mode);
    await assert.rejects(store.read('root-key'), DAMAGED);
  }
  chmodSync(directory, 0o770);
  assert.throws(() => new FileAuthorityStore(directory), DAMAGED);
});

test('T-30: a damaged document of keys is reported without a part of it', async () => {
  const secret = Buffer.from('0123456789abcdef'.repeat(8)).toString('base64');
  for (const text of [
    `MIG${secret}`,
    `{"format":1,"keys":{"a":"${secret}"}`,
    `{"keys":${secret}`,
  ]) {
    writeFileSync(fileOf('issuing-keys'), text, { mode: 0o600 });
    const thrown: unknown = await store.read('issuing-keys').catch((error: unknown) => error);
    assert.ok(thrown instanceof Error);
    let logged = '';
    const log = createLogger('test', { destination: { write: (line) => (logged += line) } });
    log.error({ err: thrown }, 'Failed');
    for (const shown of [inspect(thrown), logged]) {
      assert.match(shown, /issuing-keys/);
      assert.ok(!shown.includes(secret.slice(0, 4)), shown);
    }
  }
});
