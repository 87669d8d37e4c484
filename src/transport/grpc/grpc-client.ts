// A typed gRPC client: methods become functions that return promises or async iterables, and
// failures become CodedErrors. The channel's own retries are off: callers know what may be retried.

import type {
  DescMessage,
  DescMethod,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  credentials,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { CodedError } from '../../base/errors.ts';
import { methodDefinition } from './grpc-service.ts';
import { fromServiceError } from './grpc-status.ts';

export type CallOptions = {
  readonly signal?: AbortSignal;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
};

type Method<I extends DescMessage, O extends DescMessage> = { input: I; output: O };
type ClientMethod<M> = M extends { methodKind: 'unary' } & Method<infer I, infer O>
  ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
  : M extends { methodKind: 'server_streaming' } & Method<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
    : M extends { methodKind: 'bidi_streaming' } & Method<infer I, infer O>
      ? (
          requests: AsyncIterable<MessageInitShape<I>>,
          options?: CallOptions,
        ) => AsyncIterable<MessageShape<O>>
      : never;

export type GrpcClient<S extends DescService> = {
  readonly [K in keyof S['method']]: ClientMethod<S['method'][K]>;
} & { close(): void };

export type GrpcClientOptions = {
  /** `unix:/absolute/path` or `dns:///host:port`. */
  readonly target: string;
  readonly credentials?: ChannelCredentials;
  readonly channel?: ChannelOptions;
};

export function createGrpcClient<S extends DescService>(
  service: S,
  options: GrpcClientOptions,
): GrpcClient<S> {
  const client = new Client(options.target, options.credentials ?? credentials.createInsecure(), {
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.enable_http_proxy': 0,
    'grpc.enable_channelz': 0,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 5000,
    'grpc.use_local_subchannel_pool': 1,
    ...options.channel,
  });
  const methods: Record<string, unknown> = { close: () => client.close() };
  for (const method of service.methods) methods[method.localName] = clientMethod(client, method);
  return methods as GrpcClient<S>;
}

function clientMethod(client: Client, method: DescMethod) {
  const { path, requestSerialize: write, responseDeserialize: read } = methodDefinition(method);
  switch (method.methodKind) {
    case 'unary':
      return async (request: object, call: CallOptions = {}) =>
        await new Promise((resolve, reject) => {
          const options = toCallOptions(call);
          const done = (error: ServiceError | null, response?: unknown) => {
            release();
            if (error) reject(fromServiceError(error));
            else resolve(response);
          };
          const metadata = toMetadata(call);
          const running = client.makeUnaryRequest(
            path,
            write,
            read,
            request,
            metadata,
            options,
            done,
          );
          const release = onAbort(call.signal, () => running.cancel());
        });
    case 'server_streaming':
      return (request: object, call: CallOptions = {}) => {
        const options = toCallOptions(call);
        const metadata = toMetadata(call);
        return responses(
          client.makeServerStreamRequest(path, write, read, request, metadata, options),
          call,
        );
      };
    case 'client_streaming':
      throw new TypeError(`${path}: client streaming is not served`);
    case 'bidi_streaming':
      return (requests: AsyncIterable<object>, call: CallOptions = {}) => {
        const options = toCallOptions(call);
        const stream = client.makeBidiStreamRequest(path, write, read, toMetadata(call), options);
        void send(requests, stream);
        return responses(stream, call);
      };
  }
}

type Cancellable = { cancel(): void };

/** Calls `cancel` when the signal is aborted, or at once if it is; returns how to forget about it. */
function onAbort(signal: AbortSignal | undefined, cancel: () => void): () => void {
  signal?.addEventListener('abort', cancel, { once: true });
  if (signal?.aborted) cancel();
  return () => signal?.removeEventListener('abort', cancel);
}

async function* responses(
  stream: AsyncIterable<unknown> & Cancellable,
  call: CallOptions,
): AsyncGenerator<unknown, void, undefined> {
  const release = onAbort(call.signal, () => stream.cancel());
  try {
    yield* stream;
  } catch (thrown) {
    throw isServiceError(thrown) ? fromServiceError(thrown) : CodedError.from(thrown);
  } finally {
    release();
    stream.cancel();
  }
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return thrown instanceof Error && 'details' in thrown && 'code' in thrown;
}

type Sink = {
  write(value: object): boolean;
  end(): void;
  once(event: 'drain' | 'close', then: () => void): unknown;
};

async function send(requests: AsyncIterable<object>, stream: Sink & Cancellable): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    stream.once('close', resolve);
  });
  try {
    for await (const request of requests) {
      if (stream.write(request)) continue;
      const drained = new Promise<void>((resolve) => {
        stream.once('drain', resolve);
      });
      await Promise.race([drained, closed]);
    }
    stream.end();
  } catch {
    stream.cancel();
  }
}

function toMetadata(call: CallOptions): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(call.metadata ?? {})) metadata.set(name, value);
  return metadata;
}

function toCallOptions(call: CallOptions): { deadline?: number } {
  return call.timeoutMs === undefined ? {} : { deadline: Date.now() + call.timeoutMs };
}
