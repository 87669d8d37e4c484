// A workload server on a real Unix socket, and a client of raw frames that may say anything.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { CodedError } from '../../../../src/base/errors.ts';
import { SpiffeWorkloadAPI } from '../../../../src/transport/gen/spiffe/workload_pb.ts';
import { bindService, type Handlers } from '../../../../src/transport/rpc.ts';
import { HpackDecoder } from '../../../../src/transport/workload/hpack/hpack-decoder.ts';
import { encodeHeaders } from '../../../../src/transport/workload/hpack/hpack-encoder.ts';
import { FrameReader } from '../../../../src/transport/workload/http2/frame-reader.ts';
import { FLAG, FRAME, PREFACE } from '../../../../src/transport/workload/http2/protocol.ts';
import {
  WorkloadServer,
  type WorkloadServerOptions,
} from '../../../../src/transport/workload/workload-server.ts';
import { SocketServer } from '../socket-server.ts';

export type Workload = Handlers<typeof SpiffeWorkloadAPI>;
export type Field = readonly [name: string, value: string];
export type Frame = {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
};

export const END = FLAG.END_STREAM;
const PATIENCE_MS = 10_000;

export class ServedSocket {
  readonly server: WorkloadServer;
  readonly #socket: SocketServer;
  readonly #clients: RawClient[] = [];

  private constructor(server: WorkloadServer, socket: SocketServer) {
    this.server = server;
    this.#socket = socket;
  }

  static async start(
    overrides: Partial<Workload> = {},
    options: Partial<WorkloadServerOptions> = {},
  ): Promise<ServedSocket> {
    const missing = async () => {
      throw new CodedError('unimplemented', 'not served');
    };
    const handlers = new Proxy(overrides, {
      get: (given, name) => Reflect.get(given, name) ?? missing,
    }) as Workload;
    const services = [bindService(SpiffeWorkloadAPI, handlers)];
    const server = new WorkloadServer({ services, ...options });
    return new ServedSocket(server, await SocketServer.start(server));
  }

  get path(): string {
    return this.#socket.path;
  }

  /** A client that has said what a client says first, or something else. */
  async client(
    first: Buffer = Buffer.concat([PREFACE, frame(FRAME.SETTINGS)]),
  ): Promise<RawClient> {
    const socket = connect({ path: this.path, allowHalfOpen: true });
    await once(socket, 'connect');
    const client = new RawClient(socket);
    this.#clients.push(client);
    client.send(first);
    return client;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await this.#socket.stop();
  }
}

export class RawClient {
  readonly socket: Socket;
  readonly #reader = new FrameReader({ preface: false });
  readonly #decoder = new HpackDecoder({ maxListBytes: 1 << 20 });
  #frames: Frame[] = [];
  #wake: () => void = () => {};
  isClosed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    // A server that is done with it may reset it: what it said before counts.
    socket.on('error', () => {});
    socket.once('end', () => socket.destroy());
    socket.once('close', () => {
      this.isClosed = true;
      this.#wake();
    });
  }

  send(...parts: readonly Buffer[]): boolean {
    return this.socket.write(Buffer.concat(parts));
  }

  /** The next frame of a type and stream; those before it are forgotten. */
  async next(type: number, streamId?: number): Promise<Frame> {
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    for (;;) {
      const at = this.#frames.findIndex(
        (one) => one.type === type && (streamId === undefined || one.streamId === streamId),
      );
      const found = this.#frames[at];
      if (found !== undefined) {
        this.#frames = this.#frames.slice(at + 1);
        return found;
      }
      const seen = this.#frames.map((one) => one.type).join();
      if (this.isClosed) throw new Error(`closed without a frame ${type}; there were: ${seen}`);
      if (deadline.aborted) throw new Error(`no frame ${type}; there were: ${seen}`);
      await this.#more(deadline);
    }
  }

  /** The code of the GOAWAY that ends the connection; waits for its end. */
  async goAwayCode(): Promise<number> {
    const { payload } = await this.next(FRAME.GOAWAY);
    await this.closed();
    return payload.readUInt32BE(4);
  }

  async resetCode(streamId: number): Promise<number> {
    return (await this.next(FRAME.RST_STREAM, streamId)).payload.readUInt32BE(0);
  }

  /** The fields of the next header block of a stream. */
  async fields(streamId: number): Promise<ReadonlyMap<string, string>> {
    return this.decode(await this.next(FRAME.HEADERS, streamId));
  }

  decode({ payload }: Frame): ReadonlyMap<string, string> {
    const { fields = [] } = this.#decoder.decode(payload);
    const map = new Map<string, string>();
    for (let at = 0; at < fields.length; at += 2) map.set(fields[at] ?? '', fields[at + 1] ?? '');
    return map;
  }

  /** A round trip: whatever was sent before has been dealt with, or the connection has ended. */
  async settled(): Promise<void> {
    this.send(frame(FRAME.PING, { payload: Buffer.from('settled?') }));
    for (;;) {
      const { payload, flags } = await this.next(FRAME.PING);
      if ((flags & FLAG.ACK) !== 0 && payload.toString() === 'settled?') return;
    }
  }

  async closed(): Promise<void> {
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    while (!this.isClosed) {
      if (deadline.aborted) throw new Error('the connection was not closed');
      await this.#more(deadline);
    }
  }

  destroy(): void {
    this.socket.destroy();
  }

  async #more(deadline: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      deadline.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  #read(chunk: Buffer): void {
    this.#reader.feed(chunk);
    while (this.#reader.next()) {
      const { type, flags, streamId, bytes, start, end } = this.#reader;
      this.#frames.push({
        type,
        flags,
        streamId,
        payload: Buffer.from(bytes.subarray(start, end)),
      });
    }
    this.#wake();
  }
}

export function frame(
  type: number,
  { flags = 0, streamId = 0, payload = Buffer.alloc(0) }: Partial<Frame> = {},
): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

export const CALL: readonly Field[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/SpiffeWorkloadAPI/ValidateJWTSVID'],
  [':authority', 'localhost'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
  ['workload.spiffe.io', 'true'],
];
export const STREAM_CALL: readonly Field[] = CALL.map(([name, value]) =>
  name === ':path' ? [name, '/SpiffeWorkloadAPI/FetchX509Bundles'] : [name, value],
);

export function headers(streamId: number, fields: readonly Field[] = CALL, flags = 0): Buffer {
  const payload = encodeHeaders(fields);
  return frame(FRAME.HEADERS, { streamId, flags: flags | FLAG.END_HEADERS, payload });
}

/** DATA with one message, which ends the request. */
export function message(
  streamId: number,
  body: Buffer = Buffer.alloc(0),
  flags: number = END,
): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(body.length, 1);
  return frame(FRAME.DATA, { streamId, flags, payload: Buffer.concat([prefix, body]) });
}

export function numberFrame(type: number, streamId: number, value: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(value);
  return frame(type, { streamId, payload });
}

export function settings(...pairs: readonly (readonly [name: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  for (const [at, [name, value]] of pairs.entries()) {
    payload.writeUInt16BE(name, at * 6);
    payload.writeUInt32BE(value, at * 6 + 2);
  }
  return frame(FRAME.SETTINGS, { payload });
}
