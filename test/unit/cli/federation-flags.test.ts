// The flags about other trust domains: what they come to, and what is refused by name.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFlags } from '../../../src/base/flags.ts';
import { devBundleEndpoint } from '../../../src/cli/federation-dev-flags.ts';
import { FEDERATION_FLAGS, federationSettings } from '../../../src/cli/federation-flags.ts';

const settings = (...args: readonly string[]) => {
  const { flags } = parseFlags(args, FEDERATION_FLAGS);
  return federationSettings({ ...flags, host: undefined }, 'https://10.96.0.1:443');
};

test('by default nothing is served, and the API server is never fetched from', () => {
  assert.deepEqual(settings(), { fetch: { allow: [], deny: ['10.96.0.1'] } });
});

test('an endpoint by either profile', () => {
  assert.deepEqual(settings('--bundle-endpoint=https_spiffe').endpoint, {
    address: { port: 8443 },
    refreshHintSeconds: 300,
    profile: { type: 'https_spiffe' },
  });
  const web = ['--bundle-endpoint=https_web', '--bundle-endpoint-tls-dir=/tls'];
  assert.deepEqual(settings(...web).endpoint?.profile, { type: 'https_web', directory: '/tls' });
  assert.throws(() => settings('--bundle-endpoint=https_web'), /tls-dir/);
});

test('FE-02: the refresh hint leaves peers five looks before a new key signs', () => {
  const hint = (text: string) =>
    settings('--bundle-endpoint=https_spiffe', `--bundle-refresh-hint=${text}`).endpoint
      ?.refreshHintSeconds;
  assert.equal(hint('12m'), 720);
  assert.ok((hint('12m') ?? 0) * 5 <= 3600);
  assert.equal(hint('30s'), 30);
  for (const bad of ['12m1s', '29s', '0s', '1h', '30500ms']) {
    assert.throws(() => hint(bad), /--bundle-refresh-hint/, bad);
  }
});

test('what is no CIDR is refused by the name of its flag', () => {
  const allowed = settings('--federation-allow-cidr=10.0.0.0/8').fetch.allow;
  assert.deepEqual(allowed, ['10.0.0.0/8']);
  assert.throws(() => settings('--federation-allow-cidr=10/8'), /--federation-allow-cidr: "10\/8"/);
});

test('where a dev run serves its bundle', () => {
  assert.equal(devBundleEndpoint(undefined, 10_000), undefined);
  assert.deepEqual(devBundleEndpoint('127.0.0.1:8441', 10_000), {
    address: { host: '127.0.0.1', port: 8441 },
    refreshHintSeconds: 10,
  });
  assert.equal(devBundleEndpoint('[::1]:0', 1000)?.address.host, '::1');
  for (const bad of ['8441', '127.0.0.1', ':8441', 'a:b', '::1:8441', 'a:70000']) {
    assert.throws(() => devBundleEndpoint(bad, 10_000), /--bundle-endpoint/, bad);
  }
});
