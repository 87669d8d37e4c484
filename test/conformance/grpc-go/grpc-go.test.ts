// grpc-go, the transport under most SPIFFE clients, against the server of workload sockets.

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, suite, test } from 'node:test';
import { CodedError } from '../../../src/base/errors.ts';
import { SpiffeWorkloadAPI } from '../../../src/transport/gen/spiffe/workload_pb.ts';
import { bindService, type Call, type Handlers } from '../../../src/transport/rpc.ts';
import { WorkloadServer } from '../../../src/transport/workload/workload-server.ts';

const hasGo = spawnSync('go', ['version']).status === 0;
const skip = hasGo || process.env['CI'] === 'true' ? false : 'needs go';
const BUILD_AND_RUN_MS = 240_000;
const LIMIT_MS = 30_000;
const LARGE_BYTES = 3_000_000;

type Result = Readonly<Record<string, unknown>>;

suite('grpc-go', { skip, timeout: BUILD_AND_RUN_MS }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'signet-grpc-go-'));
  const program = join(directory, 'client');
  const path = join(directory, 's');
  const aborted: string[] = [];
  let metadata: Call['metadata'] = new Map();
  let listener: Server;
  let server: WorkloadServer;

  async function* stay(call: Call): AsyncGenerator<object> {
    yield { bundles: { 'spiffe://example.org': Buffer.alloc(1000) } };
    await new Promise((resolve) => call.signal.addEventListener('abort', resolve));
    aborted.push('FetchX509Bundles');
  }
  const unimplemented = async function* () {
    yield await Promise.reject<object>(new CodedError('unimplemented', 'not served'));
  };
  const handlers: Handlers<typeof SpiffeWorkloadAPI> = {
    validateJWTSVID: async ({ audience, svid }, call) => {
      metadata = call.metadata;
      return { spiffeId: `${audience.length}|${svid}` };
    },
    fetchJWTSVID: async () => ({
      svids: [{ spiffeId: 'spiffe://example.org/a', svid: 'x', hint: '' }],
    }),
    fetchX509Bundles: (_request, call) => stay(call),
    fetchJWTBundles: async function* () {
      for (let at = 0; at < 3; at += 1) {
        yield { bundles: { 'spiffe://example.org': Buffer.alloc(LARGE_BYTES, at) } };
      }
      throw new CodedError('permission-denied', 'no identity issued: 100% é');
    },
    fetchX509SVID: unimplemented,
    fetchWITSVID: unimplemented,
    fetchWITBundles: unimplemented,
  };

  async function listen(): Promise<void> {
    server = new WorkloadServer({ services: [bindService(SpiffeWorkloadAPI, handlers)] });
    listener = createServer({ allowHalfOpen: true }, (socket) => server.accept(socket));
    await new Promise<void>((resolve) => listener.listen(path, resolve));
  }

  async function close(): Promise<void> {
    listener.close();
    await server.close();
  }

  async function* lines(...args: readonly string[]): AsyncGenerator<Result> {
    const [command = '', ...more] = args;
    const child = spawn(program, [command, `unix:${path}`, ...more], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: LIMIT_MS,
    });
    try {
      for await (const line of createInterface(child.stdout)) yield JSON.parse(line) as Result;
    } finally {
      child.kill('SIGKILL');
    }
  }

  async function run(...args: readonly string[]): Promise<Result> {
    for await (const line of lines(...args)) return line;
    throw new Error(`${args.join(' ')}: no result`);
  }

  before(async () => {
    const env = { ...process.env, GOTOOLCHAIN: 'local', GOWORK: 'off' };
    execFileSync('go', ['build', '-o', program, '.'], { cwd: import.meta.dirname, env });
    await listen();
  });
  after(async () => {
    await close();
    rmSync(directory, { recursive: true });
  });

  test('a call, with binary metadata', async () => {
    assert.deepEqual(await run('unary'), { code: 'OK', text: '8|b' });
    assert.deepEqual(metadata.get('a-bin'), ['AP8K']);
    assert.deepEqual(metadata.get('workload.spiffe.io'), ['true']);
  });

  for (const authority of ['localhost', '/run/a.sock', 'run%2Fa.sock', 'a b']) {
    test(`WE-25: authority ${authority}`, async () => {
      assert.deepEqual(await run('authority', authority), { code: 'OK', text: '8|b' });
    });
  }

  const OUTCOMES: readonly (readonly [name: string, command: string, result: Result])[] = [
    ['two thousand calls, one after another', 'serial', { code: 'OK', count: 2000 }],
    ['64 calls at a time over one connection', 'parallel', { code: 'OK', count: 6400 }],
    ['a thousand streams that are read once and given up', 'streams', { code: 'OK', count: 1000 }],
    [
      'messages of megabytes, then an error with its text',
      'large',
      {
        code: 'PermissionDenied',
        message: 'no identity issued: 100% é',
        count: 3 * LARGE_BYTES,
      },
    ],
    ['a request of nearly 64 KiB', 'largest', { code: 'OK', text: '65000|b' }],
    [
      'a request over 64 KiB',
      'oversized',
      { code: 'ResourceExhausted', message: 'message: over 65536 bytes' },
    ],
    [
      'a compressed request',
      'gzip',
      { code: 'Unimplemented', message: 'grpc-encoding: identity alone is read' },
    ],
    [
      'an unknown service',
      'unknown',
      { code: 'Unimplemented', message: 'no such method: /no.such.Service/Method' },
    ],
  ];
  for (const [name, command, result] of OUTCOMES) {
    test(name, async () => assert.deepEqual(await run(command), result));
  }

  test('a deadline ends the call, and its handler', async () => {
    aborted.length = 0;
    const { code } = await run('deadline');
    assert.equal(code, 'DeadlineExceeded');
    while (aborted.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  });

  test('a watch is ended with Unavailable by a restart, and comes back', async () => {
    const watch = lines('watch');
    assert.deepEqual((await watch.next()).value, { code: 'OK', count: 1 });
    await close();
    const { code, message } = (await watch.next()).value as Result;
    assert.deepEqual([code, message], ['Unavailable', 'the server is shutting down']);
    await listen();
    for (;;) {
      const { value } = (await watch.next()) as { value: Result };
      if (value['code'] === 'OK') break;
      assert.equal(value['code'], 'Unavailable');
    }
    await watch.return(undefined);
  });
});
