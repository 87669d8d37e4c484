import assert from 'node:assert/strict';
import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { HiddenListener } from '../../../../src/node/volume/hidden-listener.ts';
import { greeting } from '../../../fakes/fake-kubelet.ts';

let directory: string;
const listeners: HiddenListener[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'signet-hidden-'));
});
afterEach(async () => {
  for (const listener of listeners.splice(0)) await listener.close();
  rmSync(directory, { recursive: true });
});

async function bind(says: string, replace: boolean): Promise<HiddenListener> {
  const listener = await HiddenListener.bind({
    pathOf: (name) => join(directory, name),
    publicName: 'public.sock',
    mode: 0o777,
    replace,
    accept: (connection) => connection.resume().end(says),
  });
  listeners.push(listener);
  return listener;
}

test('a name is taken over only by who says so; nothing else is left in the directory', async () => {
  const path = join(directory, 'public.sock');
  const first = await bind('first', false);
  assert.equal(lstatSync(path).ino, first.inode);
  await assert.rejects(bind('second', false), { code: 'EEXIST' });
  assert.equal(await greeting(path), 'first');
  const third = await bind('third', true);
  assert.equal(await greeting(path), 'third');
  assert.equal(lstatSync(path).ino, third.inode);
  await first.close();
  assert.equal(await greeting(path), 'third', 'who closes takes no name away');
  assert.deepEqual(readdirSync(directory), ['public.sock']);
});
