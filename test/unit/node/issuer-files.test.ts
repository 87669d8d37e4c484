import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { silentLogger } from '../../../src/base/log.ts';
import { IssuerAuthorities, readToken } from '../../../src/node/issuer-files.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { TestAuthority } from '../../fakes/test-authority.ts';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'signet-files-'));
  path = join(directory, 'file');
});
afterEach(() => rmSync(directory, { recursive: true }));

async function newPem(): Promise<string> {
  return formatPemCertificate((await TestAuthority.create('example.org', Date.now())).root);
}

test('authorities that are replaced are told once; unusable ones change nothing', async () => {
  const [first, second] = [await newPem(), await newPem()];
  writeFileSync(path, `a comment\n${first}`);
  const authorities = new IssuerAuthorities(path, silentLogger);
  await authorities.refresh();
  let told = 0;
  const stop = authorities.onChange(() => {
    told += 1;
  });
  assert.equal(authorities.pem?.toString(), first);
  await authorities.refresh();
  assert.equal(told, 0);
  writeFileSync(path, second);
  await authorities.refresh();
  await authorities.refresh();
  assert.deepEqual([told, authorities.pem?.toString()], [1, second]);
  const damaged = '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n';
  for (const text of ['', damaged, `${first}${damaged}`, first.repeat(17), 'x'.repeat(70_000)]) {
    writeFileSync(path, text);
    await authorities.refresh();
    assert.equal(authorities.pem?.toString(), second);
  }
  rmSync(path);
  await authorities.refresh();
  assert.deepEqual([told, authorities.pem?.toString()], [1, second]);
  stop();
  writeFileSync(path, first);
  await authorities.refresh();
  assert.deepEqual([told, authorities.pem?.toString()], [1, first]);
});

test('a token is one word; errors never tell what a file holds', async () => {
  writeFileSync(path, 'abc.def.ghi\n');
  assert.equal(await readToken(path), 'abc.def.ghi');
  for (const text of ['', ' \n', 'sec ret', 'sec\nret', 'secrét', 'x'.repeat(70_000)]) {
    writeFileSync(path, text);
    await assert.rejects(readToken(path), {
      code: 'unavailable',
      message: `${path}: holds no token`,
    });
  }
  rmSync(path);
  await assert.rejects(readToken(path), {
    code: 'unavailable',
    message: /cannot be read \(ENOENT\)/,
  });
});
