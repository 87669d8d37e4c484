import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  absolutePath,
  dnsName,
  healthAddress,
  issuerTarget,
  positive,
  required,
} from '../../../src/cli/node-settings.ts';

const BAD = { code: 'invalid-argument' };

test('the issuer is a host and a port, with or without the scheme', () => {
  for (const [text, target] of [
    ['signet-issuer.signet.svc:8443', 'dns:///signet-issuer.signet.svc:8443'],
    ['signet-issuer.signet.svc.:8443', 'dns:///signet-issuer.signet.svc.:8443'],
    ['dns:///issuer:1', 'dns:///issuer:1'],
    ['10.0.0.1:65535', 'dns:///10.0.0.1:65535'],
    ['[fd00::1]:8443', 'dns:///[fd00::1]:8443'],
  ] as const) {
    assert.equal(issuerTarget(text), target);
  }
  for (const text of [
    '',
    'issuer',
    'issuer:',
    ':8443',
    'issuer:0',
    'issuer:65536',
    'issuer:8443/x',
    'https://issuer:8443',
    'unix:/issuer.sock',
    'dns://8.8.8.8/issuer:8443',
    'fd00::1:8443',
    'a b:1',
    'issuer:8443\n',
  ]) {
    assert.throws(() => issuerTarget(text), BAD, text);
  }
});

test('the health address', () => {
  assert.deepEqual(healthAddress('127.0.0.1:9809'), { host: '127.0.0.1', port: 9809 });
  assert.deepEqual(healthAddress('[::1]:0'), { host: '::1', port: 0 });
  assert.throws(() => healthAddress('9809'), BAD);
});

test('names are DNS names', () => {
  assert.equal(dnsName('--node-name', 'node-1.example'), 'node-1.example');
  for (const text of ['', 'A', 'a_b', '-a', 'a.', 'a..b', '../a', 'a'.repeat(254)]) {
    assert.throws(() => dnsName('--node-name', text), BAD, text);
  }
});

test('paths are absolute and have one spelling', () => {
  assert.equal(absolutePath('--kubelet-root', '/var/lib/kubelet'), '/var/lib/kubelet');
  for (const text of ['', '/', 'a', '/a/', '/a/../b', '/a//b', '/./a']) {
    assert.throws(() => absolutePath('--kubelet-root', text), BAD, text);
  }
});

test('what must be given, and what must be more than nothing', () => {
  assert.equal(required('--token-file', '/t'), '/t');
  for (const text of [undefined, '']) assert.throws(() => required('--token-file', text), BAD);
  assert.equal(positive('--publish-wait', 1), 1);
  for (const ms of [0, -1]) assert.throws(() => positive('--publish-wait', ms), BAD);
});
