// The flags for `signet explain` that a refusal of a dev run names.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { explainFlags } from '../../../src/dev/explain-flags.ts';

test('the directory is absolute, and what the run was given comes with it', () => {
  assert.equal(explainFlags('/m', {}), '--dir /m');
  assert.equal(explainFlags('m/a', {}), `--dir ${resolve('m/a')}`);
  const given = { trustDomain: 'a.test', profile: 'strict' };
  assert.equal(explainFlags('/m', given), '--dir /m --trust-domain a.test --profile strict');
});

test('a shell takes each path as one word, and as nothing else', () => {
  for (const path of ['/a b', "/it's", '/$(id)', '/`id`;x', '/a\nb', '/"', '/ä']) {
    const printed = execFileSync('sh', ['-c', `printf '%s|' ${explainFlags(path, {})}`]);
    assert.equal(printed.toString(), `--dir|${path}|`);
  }
});
