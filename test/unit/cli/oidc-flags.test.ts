import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFlags } from '../../../src/base/flags.ts';
import { devOidc } from '../../../src/cli/oidc/dev-flags.ts';
import { OIDC_FLAGS, oidcOptions } from '../../../src/cli/oidc/flags.ts';

const options = (...args: string[]) => oidcOptions(parseFlags(args, OIDC_FLAGS).flags, {});

test('nothing is served without an issuer', () => {
  assert.deepEqual(options(), {});
  assert.deepEqual(options('--oidc-port=1'), {});
  assert.throws(() => options('--oidc-host=a'), /--jwt-issuer: needed/);
  assert.throws(() => options('--oidc-tls-dir=/a'), /--jwt-issuer: needed/);
});

test('with an issuer, by all names that were given', () => {
  const all = ['--jwt-issuer=https://a.example', '--oidc-host=b', '--oidc-host=c'];
  assert.deepEqual(options(...all, '--oidc-tls-dir=/tls').oidc, {
    issuer: 'https://a.example',
    address: { port: 9444 },
    hosts: ['b', 'c'],
    tlsDirectory: '/tls',
  });
  assert.throws(() => options('--jwt-issuer=https://a.example/'), /--jwt-issuer: must be/);
  assert.throws(() => options(...all, '--oidc-host=d:1'), /--oidc-host: "d:1"/);
});

test('a dev run: where it listens is its issuer, unless one is given', () => {
  assert.equal(devOidc(undefined, undefined), undefined);
  assert.deepEqual(devOidc('localhost:8443', undefined), {
    issuer: 'https://localhost:8443',
    address: { host: 'localhost', port: 8443 },
  });
  assert.equal(
    devOidc('127.0.0.1:1', 'https://oidc.example.org')?.issuer,
    'https://oidc.example.org',
  );
});

for (const [listen, issuer, says] of [
  [undefined, 'https://localhost', /--jwt-issuer: needs --oidc-listen/],
  ['localhost', undefined, /--oidc-listen: "localhost" is not HOST:PORT/],
  ['localhost:0', undefined, /is not HOST:PORT/],
  ['localhost:65536', undefined, /is not HOST:PORT/],
  ['127.0.0.1:8443', undefined, /--jwt-issuer: "127\.0\.0\.1" is not a host name/],
  ['localhost:8443', 'http://a', /--jwt-issuer: must be https/],
] as const) {
  test(`a dev run: refused, ${String(listen)} ${String(issuer)}`, () => {
    assert.throws(() => devOidc(listen, issuer), { code: 'invalid-argument', message: says });
  });
}
