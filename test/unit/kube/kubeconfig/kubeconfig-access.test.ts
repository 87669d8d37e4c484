// Credentials of a kubeconfig on the wire: tokens, client certificates, plugins.

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { KubeClient } from '../../../../src/kube/kube-client.ts';
import { readKubeconfig } from '../../../../src/kube/kubeconfig/kubeconfig.ts';
import { kubeconfigAccess } from '../../../../src/kube/kubeconfig/kubeconfig-access.ts';
import { formatPemCertificate } from '../../../../src/spiffe/pem.ts';
import type { JsonObject } from '../../../../src/template/json-value.ts';
import { FakeApiServer } from '../../../fakes/fake-api-server.ts';
import { FakeClock } from '../../../fakes/fake-clock.ts';
import { TestCa } from '../../../fakes/test-ca.ts';

const PODS = '/api/v1/pods';
let api: FakeApiServer;
let directory: string;
let clock: FakeClock;

before(async () => {
  api = await FakeApiServer.start();
  directory = mkdtempSync(join(tmpdir(), 'signet-kubeconfig-'));
});
after(async () => {
  rmSync(directory, { recursive: true });
  await api.stop();
});
beforeEach(() => {
  clock = new FakeClock();
});
afterEach(() => {
  api.requests.length = 0;
  api.token = 'api-token';
});

function makeTlsPair(name: string) {
  const ca = new TestCa('tls.test');
  const { chain, privateKey } = ca.svid(`/${name}`, { dnsNames: [name] });
  return {
    ca: formatPemCertificate(ca.certificate),
    cert: chain.map(formatPemCertificate).join(''),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

const encoded = (text: string) => Buffer.from(text).toString('base64');

function access(user: JsonObject, cluster: JsonObject = {}) {
  const value = {
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    clusters: [
      {
        name: 'c',
        cluster: { server: api.url, 'certificate-authority-data': encoded(api.ca), ...cluster },
      },
    ],
    users: [{ name: 'u', user }],
  };
  return kubeconfigAccess(readKubeconfig([{ path: join(directory, 'config'), value }]), {
    environment: { PATH: '/usr/bin:/bin', FROM_SHELL: 'kept' },
    isTerminal: false,
    clock,
    execTimeoutMs: 5000,
  });
}

async function get(by: ReturnType<typeof access>): Promise<JsonObject> {
  const client = new KubeClient({ access: by, clock, userAgent: 'signet-test/0' });
  try {
    return await client.send({ method: 'GET', path: PODS });
  } finally {
    client.close();
  }
}

test('a token file is read again for each request', async () => {
  const file = join(directory, 'token');
  writeFileSync(file, 'api-token\n');
  const by = access({ tokenFile: 'token' });
  await get(by);
  api.token = 'next';
  writeFileSync(file, 'next');
  await get(by);
  assert.deepEqual(
    api.requests.map(({ token }) => token),
    ['api-token', 'next'],
  );
});

test('an API server of another authority gets no token', async () => {
  const other = makeTlsPair('other');
  const by = access({ token: 'secret' }, { 'certificate-authority-data': encoded(other.ca) });
  await assert.rejects(get(by), { code: 'unavailable' });
  assert.equal(api.requests.length, 0);
});

test('a credential that is empty is refused, not taken for none', async () => {
  writeFileSync(join(directory, 'empty'), '\n');
  await assert.rejects(get(access({ tokenFile: 'empty' })), { code: 'invalid-argument' });
  const bare = access(
    { token: 't' },
    { 'certificate-authority': 'empty', 'certificate-authority-data': '' },
  );
  await assert.rejects(get(bare), { code: 'invalid-argument' });
  assert.throws(() => access({}), /its user has no credentials/);
  assert.throws(() => access({ 'client-certificate-data': encoded('x') }), /go together/);
});

test('a client certificate says who asks, under the name the certificate has', async () => {
  const server = makeTlsPair('kube.internal');
  const person = makeTlsPair('jane');
  const seen: string[] = [];
  const https = createServer(
    { cert: server.cert, key: server.key, ca: person.ca, requestCert: true },
    (request, response) => {
      const peer = (request.socket as TLSSocket).getPeerCertificate();
      seen.push(`${peer.subjectaltname} ${request.url} ${request.headers.authorization ?? 'none'}`);
      response.end('{"items":[]}');
    },
  );
  await new Promise<void>((resolve) => {
    https.listen(0, '127.0.0.1', resolve);
  });
  try {
    const { port } = https.address() as AddressInfo;
    const user = {
      'client-certificate-data': encoded(person.cert),
      'client-key-data': encoded(person.key),
    };
    const cluster = {
      server: `https://127.0.0.1:${port}/k8s/c-1`,
      'certificate-authority-data': encoded(server.ca),
    };
    await assert.rejects(get(access(user, cluster)), { code: 'unavailable' });
    await get(access(user, { ...cluster, 'tls-server-name': 'kube.internal' }));
    assert.deepEqual(seen, [`URI:spiffe://tls.test/jane, DNS:jane /k8s/c-1${PODS} none`]);
  } finally {
    https.close();
  }
});

function plugin(script: string) {
  const path = join(directory, 'plugin');
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return {
    exec: {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: './plugin',
      args: ['$(id)', 'two words'],
      env: [{ name: 'OWN', value: 'mine' }],
      interactiveMode: 'Never',
      provideClusterInfo: true,
    },
  };
}
const answer = (status: string) =>
  `echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":${status}}'`;

test('a plugin runs without a shell, knows its cluster, and its token serves until it ends', async () => {
  const log = join(directory, 'log');
  const ends = new Date(clock.now() + 600_000).toISOString();
  const by = access(
    plugin(
      `printf '%s|%s|%s|%s\\n%s' "$1" "$2" "$OWN" "$FROM_SHELL" "$KUBERNETES_EXEC_INFO" >> ${log}\n` +
        answer(`{"token":"api-token","expirationTimestamp":"${ends}"}`),
    ),
  );
  await get(by);
  await get(by);
  const [first = '', info = ''] = readFileSync(log, 'utf8').split('\n');
  assert.equal(first, '$(id)|two words|mine|kept');
  const { spec } = JSON.parse(info) as { spec: { interactive: boolean; cluster: JsonObject } };
  assert.equal(spec.interactive, false);
  assert.equal(spec.cluster['server'], api.url);
  assert.equal(spec.cluster['certificate-authority-data'], encoded(api.ca));
  await clock.advance(580_000);
  await get(by);
  assert.equal(readFileSync(log, 'utf8').split('$(id)').length - 1, 2, 'it ran twice');
});

const FAILURES: readonly (readonly [string, string, RegExp])[] = [
  ['fails', 'echo SECRET; exit 3', /ended with code 3$/],
  ['prints no JSON', 'echo SECRET', /printed no JSON$/],
  ['prints something else', 'echo "{}"', /printed no ExecCredential$/],
  ['gives nothing', answer('{}'), /gave neither token nor certificate$/],
  ['gives half', answer('{"clientCertificateData":"x"}'), /a certificate without its key$/],
  ['never ends', 'exec sleep 60', /took too long, or was killed$/],
];
for (const [what, script, said] of FAILURES) {
  test(`a plugin that ${what} is named, and nothing it said`, async () => {
    const by = access(plugin(script));
    await assert.rejects(get(by), (thrown: Error & { code: string }) => {
      assert.equal(thrown.code, 'unauthenticated');
      assert.match(thrown.message, said);
      assert.doesNotMatch(thrown.message, /SECRET/);
      return true;
    });
  });
}
