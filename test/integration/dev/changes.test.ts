// Edits of a directory of manifests and what they do to workloads that hold a stream open.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import type { CodedError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { explainCommand } from '../../../src/cli/explain.ts';
import { readCrl } from '../../../src/spiffe/crl/crl.ts';
import type { X509SVIDResponse } from '../../../src/transport/gen/spiffe/workload_pb.ts';
import { Messages } from '../node/node-harness.ts';
import { DevProcess, podManifest, policyManifest } from './dev-process.ts';

/** What an edit may take to reach a workload. */
const EFFECT_MS = 1000;

let dev: DevProcess;

beforeEach(async () => {
  dev = new DevProcess({
    'policy.json': policyManifest('by-team', {
      spiffeIDTemplate: 'spiffe://example.org/{{ .PodMeta.Labels.team }}/{{ .PodMeta.Name }}',
    }),
    'web.json': podManifest('web', { labels: { team: 'red' } }),
    'other.json': podManifest('other', { labels: { team: 'red' } }),
  });
  await dev.start();
});
afterEach(async () => await dev.close());

/** An open stream of a pod, with its first message read. */
async function open(pod: string, expected: string): Promise<Messages<X509SVIDResponse>> {
  const { socket } = await dev.pod(`shop/${pod}`);
  const messages = new Messages(dev.workload(socket).fetchX509SVID({}, dev.call));
  assert.deepEqual(idsOf(await messages.next()), [expected]);
  return messages;
}

const idsOf = ({ svids }: X509SVIDResponse) => svids.map(({ spiffeId }) => spiffeId);

async function within<T>(limitMs: number, since: number, promise: Promise<T>): Promise<T> {
  const value = await promise;
  const tookMs = performance.now() - since;
  assert.ok(tookMs < limitMs, `took ${tookMs} ms`);
  return value;
}

/** Opens streams as a client that retries, until one has the ID. */
async function regain(pod: string, expected: string): Promise<void> {
  const { socket } = await dev.pod(`shop/${pod}`);
  const workload = dev.workload(socket);
  const since = performance.now();
  while (performance.now() - since < EFFECT_MS) {
    const message = await new Messages(workload.fetchX509SVID({}, dev.call))
      .next()
      .catch((thrown: CodedError) => assert.equal(thrown.code, 'permission-denied'));
    if (message !== undefined) return assert.deepEqual(idsOf(message), [expected]);
  }
  assert.fail(`${pod} did not get its identity back`);
}

/** The error that ends a stream; anything it still said before is skipped. */
async function endOf(messages: Messages<X509SVIDResponse>): Promise<CodedError> {
  for (let more = 0; more < 10; more += 1) {
    try {
      await messages.next();
    } catch (thrown) {
      return thrown as CodedError;
    }
  }
  return assert.fail('the stream did not end');
}

const RESTRICTION = (spec: object) =>
  JSON.stringify({
    apiVersion: 'signet.dev/v1alpha1',
    kind: 'IdentityRestriction',
    metadata: { name: 'stop-web' },
    spec,
  });
const WEB = 'spiffe://example.org/red/web';

test('an edited label changes the ID on the open stream, without a refusal between', async () => {
  const stream = await open('web', WEB);
  for (const team of ['blue', 'green', 'red']) {
    const since = performance.now();
    dev.write('web.json', podManifest('web', { labels: { team } }));
    const message = await within(EFFECT_MS, since, stream.next());
    assert.deepEqual(idsOf(message), [`spiffe://example.org/${team}/web`]);
  }
});

test('a suspension ends the open stream, prints a receipt, and gives back what it took', async () => {
  const stream = await open('web', WEB);
  const bystander = await open('other', 'spiffe://example.org/red/other');
  const from = dev.lines.length;
  const since = performance.now();
  dev.write('stop.json', RESTRICTION({ match: { spiffeID: WEB }, suspend: true, cause: 'drill' }));
  const { code, message } = await within(EFFECT_MS, since, endOf(stream));
  assert.equal(code, 'permission-denied');
  assert.equal(message, refusal('Suspended', 'web'));
  await dev.line(
    /^spiffe:\/\/example\.org\/red\/web \(shop\/web\): no new SVIDs; .* acknowledged$/,
    from,
  );
  await dev.line(/^ {2}certificate [0-9a-f]+ is still valid until \d{4}-.*Z /, from);
  assert.match((await dev.pod('shop/web', from)).says, /^no identity: Suspended/);

  const { socket } = await dev.pod('shop/web');
  const again = new Messages(dev.workload(socket).fetchX509SVID({}, dev.call)).next();
  await assert.rejects(again, { code: 'permission-denied' });

  const lifted = dev.lines.length;
  dev.remove('stop.json');
  assert.equal((await dev.pod('shop/web', lifted)).says, WEB);
  await regain('web', WEB);
  // The other pod's stream never ended: it was told who is revoked, then the answer to its own edit.
  const told = await bystander.next();
  assert.deepEqual(idsOf(told), ['spiffe://example.org/red/other']);
  const lists = told.crl.map((der) => readCrl(der));
  assert.equal(lists.length, 3);
  assert.equal(lists.flatMap(({ revoked }) => revoked).length, 1);
  dev.write('other.json', podManifest('other', { labels: { team: 'blue' } }));
  assert.deepEqual(idsOf(await bystander.next()), ['spiffe://example.org/blue/other']);
});

test('a suspension with an end ends by itself', async () => {
  const stream = await open('web', WEB);
  const from = dev.lines.length;
  const until = new Date(Date.now() + 2500).toISOString();
  dev.write('stop.json', RESTRICTION({ match: { namespace: 'shop' }, suspend: true, until }));
  assert.equal((await endOf(stream)).code, 'permission-denied');
  const { text } = await dev.line(/^shop\/web {2}spiffe:/, from);
  assert.ok(Date.now() >= Date.parse(until));
  assert.match(text, /^shop\/web {2}spiffe:\/\/example\.org\/red\/web /);
  await regain('web', WEB);
});

test('a pod that is removed is said to be gone, and its successor is served', async () => {
  const { socket } = await dev.pod('shop/other');
  await open('other', 'spiffe://example.org/red/other');
  let from = dev.lines.length;
  dev.remove('other.json');
  await dev.line(/^shop\/other {2}gone$/, from);
  assert.equal(existsSync(socket), false);
  from = dev.lines.length;
  dev.write('other.json', podManifest('other', { labels: { team: 'green' } }));
  assert.equal((await dev.pod('shop/other', from)).socket, socket);
  await regain('other', 'spiffe://example.org/green/other');
});

test('a file that does not parse is named, and what it said before still holds', async () => {
  const stream = await open('web', WEB);
  dev.write('web.json', '{"kind": "Pod", ');
  await dev.line(/^! .*web\.json: /);
  dev.write('more.yaml', 'a: [1\nb: {');
  await dev.line(/^! .*more\.yaml: /);
  dev.write('web.json', podManifest('web', { labels: { team: 'blue' } }));
  assert.deepEqual(idsOf(await stream.next()), ['spiffe://example.org/blue/web']);
});

test('a policy whose template does not parse is refused by name; the accepted one stays', async () => {
  const stream = await open('web', WEB);
  dev.write('policy.json', policyManifest('by-team', { spiffeIDTemplate: 'spiffe://{{ .Nope' }));
  await dev.line(/^! .*policy\.json: ClusterSPIFFEID by-team: refused: .*spiffeIDTemplate/);
  dev.write('web.json', podManifest('web', { labels: { team: 'blue' } }));
  assert.deepEqual(idsOf(await stream.next()), ['spiffe://example.org/blue/web']);
});

function refusal(reason: string, pod: string): string {
  const command = `signet explain pod/${pod} -n shop --dir ${dev.manifests}`;
  return `no identity issued: ${reason}; run: ${command}`;
}

/** What the command says that a refusal names. */
async function explain(message: string): Promise<string> {
  const [, command = ''] = message.split('; run: signet explain ');
  const out: string[] = [];
  const code = await explainCommand(command.split(' '), {
    signal: AbortSignal.timeout(EFFECT_MS),
    clock: systemClock,
    log: silentLogger,
    out: (text) => out.push(text),
    err: () => {},
    environment: {},
  });
  assert.equal(code, 0);
  return out.join('\n');
}

test('a pod that makes an illegal ID loses its own identity, and nobody else does', async () => {
  const stream = await open('web', WEB);
  const bystander = await open('other', 'spiffe://example.org/red/other');
  dev.write('web.json', podManifest('web', { labels: { team: '..' } }));
  const { code, message } = await endOf(stream);
  assert.equal(code, 'permission-denied');
  assert.equal(message, refusal('RenderFailed', 'web'));
  const explanation = await explain(message);
  assert.match(explanation, /shop\/web has no identity: RenderFailed/);
  assert.match(explanation, /by-team .*dot segment/);
  dev.write('other.json', podManifest('other', { labels: { team: 'blue' } }));
  assert.deepEqual(idsOf(await bystander.next()), ['spiffe://example.org/blue/other']);
});

const HOSTILE: readonly (readonly [string, string])[] = [
  ['dots', '..'],
  ['escape', '%2f'],
  ['newline', 'a\nb'],
  ['escape character', '\u001b[31mred'],
  ['null', 'a\u0000'],
  ['three kilobytes', 'x'.repeat(3000)],
  ['slashes', '//'],
  ['other trust domain', '../../../spiffe://other.org/x'],
  ['not ASCII', 'ä'],
];
test('values that cannot be part of an ID make no ID, and reach no terminal', async () => {
  dev.write(
    'policy.json',
    policyManifest('by-team', {
      spiffeIDTemplate: 'spiffe://example.org/{{ .PodMeta.Annotations.team }}/{{ .PodMeta.Name }}',
    }),
  );
  for (const [index, [, team]] of HOSTILE.entries()) {
    dev.write(`hostile-${index}.json`, podManifest(`hostile-${index}`, { annotations: { team } }));
  }
  for (const [index, [name]] of HOSTILE.entries()) {
    const { says, socket } = await dev.pod(`shop/hostile-${index}`);
    assert.match(says, /^no identity: RenderFailed/, name);
    const stream = dev.workload(socket).fetchX509SVID({}, dev.call);
    const message = refusal('RenderFailed', `hostile-${index}`);
    await assert.rejects(new Messages(stream).next(), { code: 'permission-denied', message });
    // oxlint-disable-next-line no-control-regex -- it is about them
    assert.doesNotMatch(await explain(message), /[\u0000-\u0009\u000b-\u001f]/, name);
  }
});
