// How a pod asks for files: what is read, and that each rule names the attribute that breaks it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileAttributeError, readFileRequest } from '../../../src/base/file-attributes.ts';

const read = (attributes: Record<string, string>) =>
  readFileRequest({ 'signet.dev/files': 'true', ...attributes });

test('nothing is asked for by a volume without the attribute, or with "false"', () => {
  assert.equal(readFileRequest({}), undefined);
  assert.equal(readFileRequest({ 'signet.dev/files': 'false' }), undefined);
  assert.equal(readFileRequest({ 'signet.dev/require-identity': 'true' }), undefined);
});

test('by default: the names of a TLS Secret, no tokens, root alone', () => {
  assert.deepEqual(read({}), {
    volume: 'signet-files',
    names: {
      chain: 'tls.crt',
      key: 'tls.key',
      bundle: 'ca.crt',
      jwtBundle: 'jwt_bundle.json',
      crl: 'crl.pem',
    },
    tokens: [],
    group: undefined,
  });
});

test('the three names of spiffe-helper', () => {
  const request = read({
    'signet.dev/file-names': 'spiffe-helper',
    'signet.dev/jwt-audience': 'a',
  });
  assert.deepEqual(request?.names, {
    chain: 'svid.pem',
    key: 'svid_key.pem',
    bundle: 'svid_bundle.pem',
    jwtBundle: 'jwt_bundle.json',
    crl: 'crl.pem',
  });
  assert.deepEqual(request?.tokens, [{ name: 'jwt_svid.token', audience: 'a' }]);
});

test('one token file for each audience; what is no file name belongs to the audience', () => {
  const tokens = (value: string) => read({ 'signet.dev/jwt-audience': value })?.tokens;
  assert.deepEqual(tokens('https://api.example.com?a=b'), [
    { name: 'token', audience: 'https://api.example.com?a=b' },
  ]);
  assert.deepEqual(tokens('db, aws=sts.amazonaws.com,x.jwt=api://X=1'), [
    { name: 'token', audience: 'db' },
    { name: 'aws', audience: 'sts.amazonaws.com' },
    { name: 'x.jwt', audience: 'api://X=1' },
  ]);
});

test('a group and another volume', () => {
  const request = read({ 'signet.dev/fs-group': '2000', 'signet.dev/files-volume': 'certs' });
  assert.deepEqual([request?.group, request?.volume], [2000, 'certs']);
});

test('each rule names its attribute', () => {
  const ten = Array.from({ length: 11 }, (_, index) => `t${index}=a`).join(',');
  for (const [name, value, rule] of [
    ['files', 'yes', 'must be one of true, false'],
    ['file-names', 'other', 'must be one of tls, spiffe-helper'],
    ['files-volume', '../x', 'must be a volume name'],
    ['files-volume', 'a/b', 'must be a volume name'],
    ['fs-group', '0', 'must be the number of a group, not 0'],
    ['fs-group', '-1', 'must be the number of a group, not 0'],
    ['fs-group', '4294967296', 'must be the number of a group, not 0'],
    ['jwt-audience', '', 'an audience must not be empty'],
    ['jwt-audience', 'a,', 'an audience must not be empty'],
    ['jwt-audience', ten, 'more than 10 audiences'],
    ['jwt-audience', 'x'.repeat(1025), 'an audience has over 1024 bytes'],
    ['jwt-audience', 'a,b', 'of several audiences, all but one need a name, as in NAME=AUDIENCE'],
    ['jwt-audience', 'x=a,x=b', 'two files would be named x'],
  ] as const) {
    const attribute = `signet.dev/${name}`;
    assert.equal(fileAttributeError(attribute, value), rule, `${name}: ${value}`);
    assert.throws(() => read({ [attribute]: value }), {
      code: 'invalid-argument',
      message: `${attribute}: ${rule}`,
    });
  }
  assert.equal(fileAttributeError('signet.dev/other', 'x'), undefined, 'is none of these');
});

test('names that hide or climb are no file names', () => {
  for (const name of ['..data', '.x', '..', 'a/b', '-x']) {
    const value = `${name}=a`;
    assert.deepEqual(read({ 'signet.dev/jwt-audience': value })?.tokens, [
      { name: 'token', audience: value },
    ]);
  }
});

test('what a file would be called by the other set of names is judged by that set', () => {
  const names = { 'signet.dev/file-names': 'spiffe-helper' };
  assert.throws(
    () => read({ ...names, 'signet.dev/jwt-audience': 'svid.pem=a' }),
    /named svid.pem/,
  );
  assert.throws(() => read({ 'signet.dev/jwt-audience': 'tls.crt=a' }), /named tls.crt/);
  assert.ok(read({ ...names, 'signet.dev/jwt-audience': 'tls.crt=a' }));
});

test('the other attributes are nothing without files', () => {
  assert.throws(() => readFileRequest({ 'signet.dev/fs-group': '5' }), {
    message: 'signet.dev/fs-group: needs signet.dev/files: "true"',
  });
});
