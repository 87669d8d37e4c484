import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readKubeconfig } from '../../../../src/kube/kubeconfig/kubeconfig.ts';
import { parseServer } from '../../../../src/kube/kubeconfig/kubeconfig-access.ts';
import type { JsonObject, JsonValue } from '../../../../src/template/json-value.ts';

function config(given: {
  cluster?: JsonObject;
  user?: JsonObject;
  name?: string;
  current?: string;
}): JsonValue {
  const { name = 'a', cluster = { server: 'https://k.test' }, user = { token: 't' } } = given;
  return {
    'current-context': given.current ?? name,
    contexts: [{ name, context: { cluster: name, user: name, namespace: `ns-${name}` } }],
    clusters: [{ name, cluster }],
    users: [{ name, user }],
  };
}
const read = (value: JsonValue, context?: string) =>
  readKubeconfig([{ path: '/home/me/.kube/config', value }], context);

test('a context is its cluster, its user and its namespace', () => {
  const context = read(config({}));
  assert.equal(context.namespace, 'ns-a');
  assert.equal(context.cluster.server, 'https://k.test');
  assert.deepEqual(context.user.token, { text: 't' });
});

test('of several files the first that says something wins, and parts come from any', () => {
  const files = [
    { path: '/1', value: { 'current-context': 'b' } },
    { path: '/2', value: config({}) },
    { path: '/3', value: config({ name: 'b' }) },
    { path: '/4', value: config({ name: 'b', cluster: { server: 'https://late.test' } }) },
  ];
  assert.equal(readKubeconfig(files).cluster.server, 'https://k.test');
  assert.equal(readKubeconfig(files).namespace, 'ns-b');
  assert.equal(readKubeconfig(files, 'a').namespace, 'ns-a');
});

test('data in the kubeconfig wins over a file, and files are relative to the kubeconfig', () => {
  const both = { 'client-certificate': 'me.crt', 'client-key': '/keys/me.key' };
  const data = { 'client-certificate-data': Buffer.from('PEM').toString('base64') };
  assert.deepEqual(read(config({ user: both })).user.certificate, {
    file: '/home/me/.kube/me.crt',
  });
  assert.deepEqual(read(config({ user: both })).user.key, { file: '/keys/me.key' });
  assert.deepEqual(read(config({ user: { ...both, ...data } })).user.certificate, { text: 'PEM' });
  assert.deepEqual(read(config({ user: { token: 't', tokenFile: 'tok' } })).user.token, {
    file: '/home/me/.kube/tok',
  });
});

const EXEC = { apiVersion: 'client.authentication.k8s.io/v1', command: 'get-token' };
test('an exec plugin is looked up by name, or lies beside the kubeconfig', () => {
  const plain = read(config({ user: { exec: EXEC } })).user.exec;
  assert.equal(plain?.command, 'get-token');
  assert.equal(plain.interactive, 'IfAvailable');
  const beside = read(config({ user: { exec: { ...EXEC, command: './bin/x' } } })).user.exec;
  assert.equal(beside?.command, '/home/me/.kube/bin/x');
});

const REFUSED: readonly (readonly [string, JsonValue, RegExp])[] = [
  [
    'no verification',
    config({ cluster: { server: 'https://k.test', 'insecure-skip-tls-verify': true } }),
    /^cluster a: insecure-skip-tls-verify: refused/,
  ],
  [
    'a proxy',
    config({ cluster: { server: 'https://k.test', 'proxy-url': 'socks5://x' } }),
    /^cluster a: proxy-url: not supported/,
  ],
  ['a password', config({ user: { username: 'u', password: 'p' } }), /^user a: username: not supp/],
  ['impersonation', config({ user: { token: 't', as: 'root' } }), /^user a: as: impersonation/],
  [
    'an old exec version',
    config({ user: { exec: { ...EXEC, apiVersion: 'client.authentication.k8s.io/v1alpha1' } } }),
    /^user a: exec\.apiVersion: must be one of/,
  ],
  ['another document', [], /^\/home\/me\/\.kube\/config: not a kubeconfig$/],
  ['no current context', { contexts: [] }, /^kubeconfig: no current context; give --context$/],
  ['an unknown context', config({ current: 'x' }), /^kubeconfig: no context "x"$/],
];
for (const [what, value, said] of REFUSED) {
  test(`${what} is refused by name`, () => {
    assert.throws(() => read(value), { code: 'invalid-argument', message: said });
  });
}

test('a server is an origin and what stands before every path', () => {
  const place = (server: string) => Object.values(parseServer(server)).join(' ');
  assert.equal(place('https://k.test'), 'https://k.test:443 ');
  assert.equal(place('https://[::1]:6443/'), 'https://[::1]:6443 ');
  assert.equal(place('https://k.test/k8s/clusters/c-1'), 'https://k.test:443 /k8s/clusters/c-1');
});

for (const server of [
  '',
  'http://k.test',
  'k.test:6443',
  'https://me:pw@k.test',
  'https://k.test?x',
]) {
  test(`${JSON.stringify(server)} is no server`, () => {
    assert.throws(() => parseServer(server), { code: 'invalid-argument' });
  });
}
