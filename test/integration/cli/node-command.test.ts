// `signet node` as a process: an issuer on a TCP port, a kubelet that registers and publishes, probes.

import assert from 'node:assert/strict';
import { existsSync, lstatSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildProgram } from '../../../scripts/build.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import { entry, NODE, TRUST_DOMAIN } from '../../unit/issuer/fixtures.ts';
import {
  authenticator,
  fetchFirst,
  file,
  flags,
  health,
  kubelet,
  main,
  register,
  registrationSocket,
  servingCa,
  start,
  startIssuer,
  UID,
  untilHealthy,
  useNodeCommand,
} from './node-command-fixtures.ts';

useNodeCommand();

test('RG-04, RG-08: registers, is healthy, serves an SVID, and leaves in order on SIGTERM', async () => {
  const plugin = start(flags());
  await untilHealthy(plugin);
  assert.deepEqual(await health(plugin, '/readyz'), [503, 'registration: waiting']);
  await register();
  assert.deepEqual(await health(plugin, '/readyz'), [200, 'registration: registered']);
  assert.equal((await health(plugin, '/metrics'))[0], 404);
  assert.equal(await fetchFirst('a'), entry().spiffeId);
  assert.equal(await plugin.end('SIGTERM'), 0);
  assert.equal(existsSync(registrationSocket()), false);
  assert.equal(existsSync(kubelet.csiSocket), false);
  const target = kubelet.targetOf(UID, 'a');
  assert.ok(lstatSync(join(target, 'spire-agent.sock')).isSocket(), 'the pod’s socket stays');
  const text = plugin.lines.join('\n');
  assert.equal(text.includes(authenticator.token), false, 'the token is not logged');
});

test('the program as it ships does the same, by the name of an issuer', async () => {
  await buildProgram(file('dist'));
  const address = flags({ '--issuer-address': `localhost:${main.port}` });
  const plugin = start(address, { program: [file('dist/signet.mjs')] });
  await untilHealthy(plugin);
  await register();
  assert.equal(await fetchFirst('a'), entry().spiffeId);
  assert.equal(await plugin.end('SIGTERM'), 0);
  assert.ok(
    plugin.lines.every((line) => line.startsWith('{')),
    plugin.lines.join('\n'),
  );
});

test('all settings are one line at the start', async () => {
  const plugin = start(flags({ '--no-registration': '' }));
  const { settings } = await plugin.logged('Starting the node plugin');
  const { health: _port, version: _version, ...rest } = settings as Record<string, unknown>;
  assert.deepEqual(rest, {
    nodeName: NODE,
    driverName: 'csi.spiffe.io',
    kubeletRoot: kubelet.root,
    trustDomain: TRUST_DOMAIN,
    issuer: `dns:///127.0.0.1:${main.port}`,
    issuerCaFile: file('ca.pem'),
    tokenFile: file('token'),
    publishWaitMs: 15_000,
    allowKeysOnDisk: false,
    keyType: 'ec-p256',
    registers: false,
    logLevel: 'info',
  });
});

test('RG-09: without registration there is a CSI socket and no registration socket', async () => {
  const plugin = start(flags({ '--no-registration': '' }));
  await untilHealthy(plugin);
  assert.equal(existsSync(registrationSocket()), false);
  assert.deepEqual(await health(plugin, '/readyz'), [200, 'registration: off']);
  assert.equal(await plugin.end('SIGTERM'), 0);
});

test('RG-08: alive without an issuer; authorities of somebody else keep it Unavailable and it says why', async () => {
  const other = await startIssuer('other', TRUST_DOMAIN);
  writeFileSync(file('ca.pem'), servingCa(other.issuer));
  const plugin = start(flags({ '--publish-wait': '10ms' }));
  const { err } = await plugin.logged('Failed to watch the issuer');
  assert.match(JSON.stringify(err), /self-signed certificate|unable to (?:get|verify)/);
  assert.equal((await health(plugin, '/healthz'))[0], 200);
  await assert.rejects(fetchFirst('a'), { code: 'unavailable' });
  // The right ones arrive, as a ConfigMap's do: no restart is needed.
  writeFileSync(file('ca.pem'), servingCa(main.issuer));
  await plugin.logged('Received the whole view of this node');
  assert.equal(await fetchFirst('b'), entry().spiffeId);
  assert.equal(await plugin.end('SIGTERM'), 0);
});

test('an issuer of another trust domain is not believed, though its authority is trusted', async () => {
  const other = await startIssuer('other', parseTrustDomain('other.example'));
  writeFileSync(file('ca.pem'), servingCa(other.issuer));
  const plugin = start(flags({ '--issuer-address': `dns:///127.0.0.1:${other.port}` }));
  const { err } = await plugin.logged('Failed to watch the issuer');
  assert.match(JSON.stringify(err), /has not the ID of an issuer/);
});

test('a token that was replaced is used, and unusable authorities change nothing', async () => {
  writeFileSync(file('token'), 'not-the-token');
  const plugin = start(flags());
  await plugin.logged('Failed to watch the issuer', ({ err }) =>
    JSON.stringify(err).includes('not the one of this process'),
  );
  writeFileSync(file('ca.pem'), 'nothing');
  writeFileSync(file('token'), authenticator.token);
  await plugin.logged('Ignored issuer authorities that do not parse');
  await plugin.logged('Received the whole view of this node');
});

test('it starts and answers the kubelet while authorities and token are not delivered yet', async () => {
  writeFileSync(file('ca.pem'), '');
  rmSync(file('token'));
  const plugin = start(flags({ '--publish-wait': '10ms', '--health-address': '0.0.0.0:0' }));
  await untilHealthy(plugin);
  await register();
  await assert.rejects(fetchFirst('a'), { code: 'unavailable' });
  writeFileSync(file('ca.pem'), servingCa(main.issuer));
  writeFileSync(file('token'), authenticator.token);
  await plugin.logged('Received the whole view of this node');
  assert.equal(await fetchFirst('b'), entry().spiffeId);
  const waits = plugin.lines.filter((line) => line.includes('Waiting for files'));
  assert.equal(waits.length, 1);
});

const BAD: readonly (readonly [string, Readonly<Record<string, string>>, RegExp])[] = [
  ['no node name', { '--node-name': ' ' }, /--node-name: " " is not/],
  ['a relative kubelet root', { '--kubelet-root': 'kubelet' }, /--kubelet-root: /],
  ['an issuer without port', { '--issuer-address': 'issuer' }, /--issuer-address: "issuer" is not/],
  ['a proxy’s scheme', { '--issuer-address': 'https://a:1' }, /--issuer-address: /],
  ['no trust domain', { '--trust-domain': 'A B' }, /trust domain/],
  ['an address of nobody', { '--health-address': '192.0.2.1:1' }, /health: cannot listen/],
  ['no wait', { '--publish-wait': '0' }, /--publish-wait: must be more/],
];
for (const [name, change, expected] of BAD) {
  test(`${name}: ends with 2 and one line`, async () => {
    const plugin = start(flags(change));
    assert.equal(await plugin.end(), 2);
    assert.equal(plugin.lines.length, 1, plugin.lines.join('\n'));
    assert.match(plugin.lines[0] ?? '', /^signet node: /);
    assert.match(plugin.lines[0] ?? '', expected);
  });
}

test('it does not start with a variable or an option that changes trust or lets others look', async () => {
  const plugin = start(flags(), {
    variables: { NODE_TLS_REJECT_UNAUTHORIZED: '0' },
    nodeOptions: ['--tls-keylog=/dev/null'],
  });
  assert.equal(await plugin.end(), 2);
  const refusals = plugin.lines.filter((line) => line.startsWith('signet node: will not start: '));
  assert.equal(refusals.length, 2, plugin.lines.join('\n'));
});
