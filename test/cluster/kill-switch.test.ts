// The kill switch, from the command to everything that it cuts: streams, tokens, files, the revocation
// lists, connections that are open; and it stands when everything is restarted.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { WorkloadApiClient } from '../../client/src/index.ts';
import { issuedCertificates } from '../../client/src/revoked-certificates.ts';
import { buildProgram } from '../../scripts/build.ts';
import { CodedError } from '../../src/base/errors.ts';
import type { Receipt } from '../../src/cli/revoke-receipt.ts';
import { whenReady } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { CLEAN_ENV, run, until } from './lib/commands.ts';
import { appId, appIdentity, optedIn, remove } from './lib/identities.ts';
import { ROOT } from './lib/images.ts';
import type { KubeObject, Pod } from './lib/kube-object.ts';
import { LineFeed } from './lib/line-feed.ts';
import { PodSocket } from './lib/pod-socket.ts';
import { figure } from './lib/report.ts';
import { restartEverything } from './lib/roll-out.ts';
import { percentile } from './lib/statistics.ts';

const cluster = attached();
const TRIES = 20;
const STREAMS = 10;
const PORT = 8443;
const FILES = { 'signet.dev/files': 'true', 'signet.dev/jwt-audience': 'db.example.org' };
const RESTRICTIONS = '/apis/signet.dev/v1alpha1/identityrestrictions';

type Named = { readonly revoked?: { readonly serials?: readonly string[] } };

suite('the kill switch', () => {
  let namespace = '';
  /** The program as it ships: how long it takes to start is part of what is measured. */
  const program = mkdtempSync(join(tmpdir(), 'signet-kill-'));
  let pods: Record<'agent' | 'caller' | 'server', Pod>;
  let files: LineFeed;
  let calls: LineFeed;
  let agent: PodSocket;
  let server: PodSocket;

  before(async () => {
    await buildProgram(program);
    namespace = await freshNamespace(cluster, 'kill');
    await cluster.api.apply(appIdentity(namespace, { ttl: '15m' }));
    const asked = optedIn({
      namespace,
      name: 'agent',
      annotations: FILES,
      args: ['files', '/spiffe-files'],
    });
    const listens = optedIn({
      namespace,
      name: 'server',
      args: ['serve', String(PORT), appId(namespace, 'caller')],
    });
    for (const pod of [asked, listens]) await cluster.api.create(pod);
    const listening = await whenReady(cluster, listens);
    const to = [listening.status?.podIP ?? '', String(PORT), appId(namespace, 'server')];
    const dials = optedIn({ namespace, name: 'caller', args: ['hold', ...to] });
    await cluster.api.create(dials);
    pods = {
      agent: await whenReady(cluster, asked),
      caller: await whenReady(cluster, dials),
      server: listening,
    };
    files = new LineFeed(cluster, pods.agent);
    calls = new LineFeed(cluster, pods.caller);
    agent = new PodSocket(cluster, pods.agent);
    server = new PodSocket(cluster, pods.server);
  });
  after(async () => {
    for (const each of [files, calls, agent, server]) each.close();
    await remove(cluster, appIdentity(namespace));
    await cluster.deleteNamespace(namespace);
    rmSync(program, { recursive: true });
  });

  function command(...args: readonly string[]): readonly string[] {
    const { directory, prefix } = cluster.controlPlane;
    const command = [process.execPath, join(program, 'signet.mjs'), 'revoke'];
    const kubeconfig = `--kubeconfig=${join(directory, 'admin.kubeconfig')}`;
    return [...prefix, ...command, ...args, kubeconfig];
  }

  async function revoke(...args: readonly string[]): Promise<Receipt> {
    return JSON.parse(await run(command(...args, '--output=json'), { cwd: ROOT })) as Receipt;
  }

  const ours = async (): Promise<readonly KubeObject[]> =>
    (await cluster.api.list(RESTRICTIONS)).filter(({ metadata }) =>
      metadata.annotations?.['signet.dev/revoked-target']?.startsWith(`pod/${namespace}/`),
    );

  /** Resolves with the moment at which it ended, by PermissionDenied and nothing else. */
  async function ended(client: WorkloadApiClient, opened: () => void): Promise<number> {
    try {
      for await (const _ of client.watchX509Context(new AbortController().signal)) opened();
    } catch (thrown) {
      const { code, message } = CodedError.from(thrown);
      assert.equal(code, 'permission-denied', message);
      assert.match(message, /^no identity issued: Suspended;/);
      return performance.now();
    }
    return assert.fail('a stream ended without a reason');
  }

  test(`signet revoke ends every open stream, ${TRIES} times`, async () => {
    const clients = Array.from({ length: STREAMS }, () => agent.client());
    const fromCommand: number[] = [];
    const fromStored: number[] = [];
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      let opened = 0;
      const ends = clients.map(async (client) => await ended(client, () => (opened += 1)));
      await until('streams', () => (opened >= STREAMS ? true : undefined));
      const stored = (async () => {
        for await (const { type } of cluster.api.watch(RESTRICTIONS, AbortSignal.timeout(30_000)))
          if (type === 'ADDED') return performance.now();
        return assert.fail('no restriction');
      })();
      const [node = '', ...args] = command('pod/agent', `--namespace=${namespace}`);
      const from = performance.now();
      const child = spawn(node, args, { cwd: ROOT, env: CLEAN_ENV, stdio: 'ignore' });
      const exited = new Promise((resolve) => child.once('exit', resolve));
      const last = Math.max(...(await Promise.all(ends)));
      fromCommand.push(last - from);
      fromStored.push(Math.max(last - (await stored), 0));
      // What it would still say is looked at below, once.
      child.kill();
      await exited;
      for (const object of await ours()) await remove(cluster, object);
      await until(
        'the identity again',
        async () => await clients[0]?.fetchX509Context().catch(() => undefined),
      );
    }
    for (const [what, took] of [
      ['signet revoke', fromCommand],
      ['restriction seen by a watch', fromStored],
    ] as const) {
      figure(
        `${what} to ${STREAMS} closed streams, p50 of ${TRIES}`,
        Math.round(percentile(took, 0.5)),
        'ms',
      );
      figure(
        `${what} to ${STREAMS} closed streams, p99 of ${TRIES}`,
        Math.round(percentile(took, 0.99)),
        'ms',
      );
    }
    assert.equal(fromCommand.length, TRIES);
  });

  test('tokens are refused, files are gone, and the receipt names serials that are on the lists', async () => {
    const client = agent.client();
    const [svid] = (await client.fetchX509Context()).svids;
    const audience = 'db.example.org';
    await client.fetchJwtSvid({ audience });
    await files.next(({ belongs }) => belongs === true);
    const receipt = await revoke('pod/agent', `--namespace=${namespace}`, '--explain');
    // A status is written every ten seconds at most, and one of this name was just now.
    assert.notEqual(receipt.inEffect, false);
    await files.next(({ gone }) => gone === true);
    await assert.rejects(client.fetchJwtSvid({ audience }), {
      code: 'permission-denied',
      message: /Suspended/,
    });
    const [certificate] = issuedCertificates(svid.chain.slice(0, 1));
    assert.ok(certificate !== undefined);
    const serial = Buffer.from(certificate.serial, 'latin1').toString('hex');
    assert.ok(receipt.revoked?.serials.includes(serial), JSON.stringify(receipt.revoked));
    assert.ok(receipt.elsewhere?.some(({ what }) => what.endsWith(audience)));
    await until('the serial number on the lists of another pod', async () =>
      (await server.client().fetchX509Context()).revoked.has(certificate) ? true : undefined,
    );
  });

  test('an open connection of a suspended agent ends, and its peer ends one that it would keep', async () => {
    const open = new Set<unknown>();
    while (open.size < 2) open.add((await calls.next(({ event }) => event === 'open'))['who']);
    const from = Date.now();
    await revoke('pod/caller', `--namespace=${namespace}`);
    const lines = new Map<unknown, number>();
    const refused = new Set<unknown>();
    // One may be refused before the other one is closed.
    while (lines.size < 2 || refused.size < 2) {
      const line = await calls.next(({ event }) => event === 'closed' || event === 'refused');
      if (line['event'] === 'refused') refused.add(line['who']);
      else lines.set(line['who'], Number(line['at']) - from);
    }
    figure('signet revoke to closed connection, by itself', lines.get('ours') ?? NaN, 'ms');
    figure('signet revoke to closed connection, by the peer', lines.get('stubborn') ?? NaN, 'ms');
  });

  test('both suspensions stand when issuers, controllers and node plugins are others', async () => {
    const before = calls.lines.length;
    await restartEverything(cluster);
    const reads = new PodSocket(cluster, pods.agent);
    try {
      const client = reads.client();
      await until('a refusal', async () => {
        const error = CodedError.from(
          await client.fetchX509Context().catch((thrown: unknown) => thrown),
        );
        return error.code === 'permission-denied' ? true : undefined;
      });
      await until('serial numbers of both in their statuses', async () => {
        const named = (await ours()).map(({ status }) => (status as Named | undefined)?.revoked);
        return named.length === 2 && named.every((each) => (each?.serials?.length ?? 0) > 0)
          ? true
          : undefined;
      });
      const events = calls.lines.slice(before).map(({ event }) => event);
      assert.ok(!events.includes('open'), JSON.stringify(events));
    } finally {
      reads.close();
    }
  });
});
