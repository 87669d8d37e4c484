// gRPC over HTTP/2, by raw frames: what a call must look like, and what it gets when it does not.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { CodedError } from '../../../../src/base/errors.ts';
import type { Call } from '../../../../src/transport/rpc.ts';
import { CODE, FRAME, SETTING } from '../../../../src/transport/workload/http2/protocol.ts';
import {
  CALL,
  END,
  type Field,
  frame,
  headers,
  message,
  numberFrame,
  type RawClient,
  ServedSocket,
  STREAM_CALL,
  settings,
} from './h2-harness.ts';

let served: ServedSocket;
let client: RawClient;
let calls: Call[];
let answer: () => Promise<object>;
let observed: (readonly [method: string, code: string | undefined])[];
beforeEach(async () => {
  calls = [];
  observed = [];
  answer = async () => ({ spiffeId: 'spiffe://example.org/a' });
  served = await ServedSocket.start(
    {
      validateJWTSVID: async (_request, call) => {
        calls.push(call);
        return await answer();
      },
      fetchX509Bundles: async function* (_request, call) {
        calls.push(call);
        yield { bundles: { a: Buffer.alloc(10_000, 1) } };
        await new Promise((resolve) => call.signal.addEventListener('abort', resolve));
      },
    },
    { observe: (method, error) => observed.push([method, error?.code]) },
  );
  client = await served.client();
});
afterEach(async () => await served.stop());

/** The calls' own header fields, one of them another. */
function withField(name: string, ...values: readonly string[]): readonly Field[] {
  const others = CALL.filter(([other]) => other !== name);
  const fields = values.map((value): Field => [name, value]);
  return name.startsWith(':') ? [...fields, ...others] : [...others, ...fields];
}

async function ended(streamId: number): Promise<ReadonlyMap<string, string>> {
  for (;;) {
    const block = await client.next(FRAME.HEADERS, streamId);
    const fields = client.decode(block);
    if ((block.flags & END) !== 0) return fields;
  }
}

const SOCKET = '/run/signet/spire-agent.sock';
const AUTHORITIES: readonly (readonly [name: string, values: readonly string[]])[] = [
  ['localhost', ['localhost']],
  ['a percent-encoded path', [encodeURIComponent(SOCKET)]],
  ['a path', [SOCKET]],
  ['empty', ['']],
  ['absent', []],
  ['any text', ['a b/%zz?#@:\u00ff']],
];
for (const [name, values] of AUTHORITIES) {
  test(`WE-25, PF-12, PF-13: an authority that is ${name} is accepted`, async () => {
    client.send(headers(1, withField(':authority', ...values)), message(1));
    assert.equal((await ended(1)).get('grpc-status'), '0');
  });
}

const REFUSED: readonly (readonly [name: string, fields: readonly Field[], status: string])[] = [
  ['an unknown service', withField(':path', '/no.such.Service/Method'), '12'],
  ['an unknown method', withField(':path', '/SpiffeWorkloadAPI/NoSuchMethod'), '12'],
  ['a method with a query', withField(':path', '/SpiffeWorkloadAPI/ValidateJWTSVID?a=b'), '12'],
  ['a method of another case', withField(':path', '/spiffeworkloadapi/validatejwtsvid'), '12'],
  ['an unknown encoding', withField('grpc-encoding', 'gzip'), '12'],
  ['a timeout that is none', withField('grpc-timeout', '1x'), '13'],
  ['a timeout of nine digits', withField('grpc-timeout', '100000000S'), '13'],
  ['metadata that is not base64', withField('a-bin', '*'), '13'],
  ['metadata over 8 KiB', withField('a', 'x'.repeat(4000), 'y'.repeat(4100)), '8'],
];
for (const [name, fields, status] of REFUSED) {
  test(`PF-14: ${name} is refused with status ${status}, before any handler`, async () => {
    client.send(headers(1, fields), message(1));
    const last = await client.next(FRAME.HEADERS, 1);
    assert.equal(last.flags & END, END, 'Trailers-Only');
    const trailers = client.decode(last);
    assert.equal(trailers.get(':status'), '200');
    assert.equal(trailers.get('content-type'), 'application/grpc');
    assert.equal(trailers.get('grpc-status'), status);
    assert.deepEqual(calls, []);
    client.send(headers(3), message(3));
    assert.equal((await ended(3)).get('grpc-status'), '0');
  });
}

test('the encodings that are known are said to a client with another one', async () => {
  client.send(headers(1, withField('grpc-encoding', 'gzip')), message(1));
  assert.equal((await ended(1)).get('grpc-accept-encoding'), 'identity');
});

test('what is no gRPC call is answered in HTTP', async () => {
  client.send(headers(1, withField(':method', 'GET'), END));
  client.send(headers(3, withField('content-type', 'application/json'), END));
  client.send(headers(5, withField('content-type', 'application/grpc-web'), END));
  client.send(headers(7, withField('content-type'), END));
  assert.equal((await ended(1)).get(':status'), '405');
  for (const id of [3, 5, 7]) assert.equal((await ended(id)).get(':status'), '415');
});

for (const type of ['application/grpc', 'application/grpc+proto', 'application/grpc;a=b']) {
  test(`content-type ${type} is gRPC`, async () => {
    client.send(headers(1, withField('content-type', type)), message(1));
    assert.equal((await ended(1)).get('grpc-status'), '0');
  });
}

const BODIES: readonly (readonly [name: string, frames: readonly Buffer[], status: string])[] = [
  ['no message', [frame(FRAME.DATA, { streamId: 1, flags: END })], '13'],
  ['two messages', [message(1, Buffer.alloc(0), 0), message(1)], '13'],
  [
    'half a message',
    [frame(FRAME.DATA, { streamId: 1, flags: END, payload: Buffer.alloc(3) })],
    '13',
  ],
  [
    'a message that is cut',
    [frame(FRAME.DATA, { streamId: 1, flags: END, payload: Buffer.from([0, 0, 0, 0, 9, 1]) })],
    '13',
  ],
  [
    'a compressed message',
    [frame(FRAME.DATA, { streamId: 1, payload: Buffer.from([1, 0, 0, 0, 0]) })],
    '12',
  ],
  [
    'a message flag of 2',
    [frame(FRAME.DATA, { streamId: 1, payload: Buffer.from([2, 0, 0, 0, 0]) })],
    '13',
  ],
  [
    'a message of 64 KiB and a byte, announced',
    [frame(FRAME.DATA, { streamId: 1, payload: Buffer.from([0, 0, 1, 0, 1]) })],
    '8',
  ],
  ['a message that cannot be parsed', [message(1, Buffer.from([0x0a, 0xff]))], '13'],
];
for (const [name, frames, status] of BODIES) {
  test(`a request with ${name} gets status ${status}, and the connection goes on`, async () => {
    client.send(headers(1), ...frames);
    assert.equal((await ended(1)).get('grpc-status'), status);
    client.send(headers(3), message(3));
    assert.equal((await ended(3)).get('grpc-status'), '0');
  });
}

test('metadata reaches the handler in order, binary values as base64, without what is of the transport', async () => {
  const fields: readonly Field[] = [
    ...CALL,
    ['a', '1'],
    ['b-bin', 'AP8'],
    ['a', '2'],
    ['b-bin', 'AA==,/w'],
    ['grpc-accept-encoding', 'gzip'],
  ];
  client.send(headers(1, fields), message(1));
  await ended(1);
  assert.deepEqual(Object.fromEntries(calls[0]?.metadata ?? []), {
    'workload.spiffe.io': ['true'],
    a: ['1', '2'],
    'b-bin': ['AP8=', 'AA==', '/w=='],
  });
});

test('the text of an error is percent-encoded, and its length bounded', async () => {
  answer = async () => {
    throw new CodedError('permission-denied', `100% é\n${'x'.repeat(5000)}`);
  };
  client.send(headers(1), message(1));
  const trailers = await ended(1);
  assert.equal(trailers.get('grpc-status'), '7');
  const text = trailers.get('grpc-message') ?? '';
  assert.match(text, /^100%25 %C3%A9%0Ax{1000,1024}$/);
  assert.deepEqual(observed, [['ValidateJWTSVID', 'permission-denied']]);
});

test('RST_STREAM aborts the handler', async () => {
  client.send(headers(1, STREAM_CALL), message(1));
  await client.next(FRAME.DATA, 1);
  const { signal } = calls[0] as Call;
  assert.equal(signal.aborted, false);
  client.send(numberFrame(FRAME.RST_STREAM, 1, CODE.CANCEL));
  await client.settled();
  assert.equal(signal.aborted, true);
});

test('a connection that goes away aborts its handlers, also for who asks for the signal later', async () => {
  client.send(headers(1, STREAM_CALL), message(1), headers(3), message(3));
  await ended(3);
  client.destroy();
  const [stream, unary] = calls;
  while (stream?.signal.aborted !== true) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(unary?.signal.aborted, false, 'it was over before');
});

test('a deadline that passes ends the call and aborts its handler', async () => {
  answer = async () => await new Promise(() => {});
  client.send(headers(1, withField('grpc-timeout', '50m')), message(1));
  client.send(headers(3, [...STREAM_CALL, ['grpc-timeout', '100000u']]), message(3));
  assert.equal((await ended(1)).get('grpc-status'), '4');
  assert.equal((await ended(3)).get('grpc-status'), '4');
  for (const call of calls) assert.equal(call.signal.aborted, true);
});

test('RFC 9113 5.2: a message comes as far as the windows allow, and no further', async () => {
  client.send(settings([SETTING.INITIAL_WINDOW_SIZE, 3000]), headers(1, STREAM_CALL), message(1));
  await client.settled();
  client.send(numberFrame(FRAME.WINDOW_UPDATE, 1, 2000));
  await client.settled();
  client.send(headers(3, STREAM_CALL), message(3));
  assert.equal((await client.next(FRAME.DATA, 3)).payload.length, 3000);
  client.send(settings([SETTING.INITIAL_WINDOW_SIZE, 20_000]));
  assert.equal((await client.next(FRAME.DATA, 1)).payload.length, 10_014 - 5000);
  assert.equal((await client.next(FRAME.DATA, 3)).payload.length, 10_014 - 3000);
});

test('RFC 7541 4.2: a client that takes its table away is told that it is not used', async () => {
  client.send(settings([SETTING.HEADER_TABLE_SIZE, 0]), headers(1), message(1));
  const first = await client.next(FRAME.HEADERS, 1);
  assert.equal(first.payload[0], 0x20);
  client.decode(first);
  assert.notEqual((await client.next(FRAME.HEADERS, 1)).payload[0], 0x20);
});
