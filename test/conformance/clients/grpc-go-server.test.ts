// Our client on a Workload API server that is not ours: grpc-go with the SPIFFE project's own service
// definition (the program of the Workload API benchmark), killed under it and started anew.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { JwtSource, WorkloadApiClient, X509Source } from '../../../client/src/index.ts';
import {
  JWTSVIDResponseSchema,
  X509SVIDResponseSchema,
} from '../../../src/transport/gen/spiffe/workload_pb.ts';
import { x509Answer } from '../../fakes/fake-workload-api.ts';
import { JwtSigner } from '../../fakes/jwt-signer.ts';
import { TestCa } from '../../fakes/test-ca.ts';
import { until } from '../../integration/process-harness.ts';
import { built, run, versionOf } from './toolchain.ts';

const SOURCE = join(import.meta.dirname, '../../../bench/workload-api');
const ID = 'spiffe://example.org/agent';
const LIMIT_MS = 60_000;
const go = versionOf('go', 'version');
const skip = go === undefined && process.env['CI'] !== 'true' ? 'needs go' : false;

suite('a server by grpc-go', { skip, timeout: 600_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'signet-grpc-go-'));
  const path = (name: string) => join(directory, name);
  const address = `unix://${path('s')}`;
  const ca = new TestCa('example.org');
  const signer = new JwtSigner('key-1');
  let program = '';
  let server: ChildProcess | undefined;
  let source: X509Source | undefined;

  before(async () => {
    const folder = await built({
      name: 'grpc-go-workload-api',
      files: ['main.go', 'raw.go', 'go.mod', 'go.sum'].map((name) => join(SOURCE, name)),
      version: go,
      build: (into) => run('go', ['build', '-p', '2', '-o', join(into, 'server'), '.'], SOURCE),
    });
    program = join(folder, 'server');
  });
  after(async () => {
    source?.close();
    await kill();
    rmSync(directory, { recursive: true, force: true });
  });

  /** With an SVID of its own, so that one start can be told from another. */
  async function start(): Promise<void> {
    const x509 = create(X509SVIDResponseSchema, x509Answer(ca, [ca.svid('/agent')]));
    writeFileSync(path('x509'), toBinary(X509SVIDResponseSchema, x509));
    const svid = await signer.token(ID, 'billing');
    const jwt = create(JWTSVIDResponseSchema, { svids: [{ spiffeId: ID, svid }] });
    writeFileSync(path('jwt'), toBinary(JWTSVIDResponseSchema, jwt));
    rmSync(path('s'), { force: true });
    server = spawn(program, ['serve', path('s'), path('x509'), path('jwt')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    if (server.stdout !== null) await once(server.stdout, 'data');
  }

  async function kill(): Promise<void> {
    if (server?.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
  }

  test('it fetches, follows and gets tokens', async () => {
    await start();
    source = new X509Source({ address });
    await source.ready(AbortSignal.timeout(LIMIT_MS));
    assert.equal(source.svid.spiffeId, ID);
    const client = new WorkloadApiClient({ address });
    const { svids } = await client.fetchX509Context();
    assert.deepEqual(svids[0].chain, source.svid.chain);
    // What this server does not have is said as such, and not taken for an absence.
    await assert.rejects(client.fetchX509Bundles(), { code: 'unimplemented' });
    client.close();
    const tokens = new JwtSource({ address });
    const { spiffeId } = await tokens.fetch({ audience: 'billing' });
    assert.equal(spiffeId, ID);
    tokens.close();
  });

  test('WA-03: it comes back by itself after the server was killed', async () => {
    const before = source?.svid.chain;
    await kill();
    await start();
    await until(() => source?.svid.chain !== before, LIMIT_MS);
    assert.equal(source?.svid.spiffeId, ID);
  });
});
