// Turns handlers over plain messages into what grpc-js serves. Every call is wrapped here: its
// errors become a status exactly once, and a slow reader holds back the generator it reads from.

import { create, type DescMethod, fromBinary, toBinary } from '@bufbuild/protobuf';
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { CodedError } from '../../base/errors.ts';
import { type Admit, type Call, type ServiceBinding, toStatus } from '../rpc.ts';

/** Told once of every call that ended, with its error if it failed. */
export type CallObserver = (method: string, error: CodedError | undefined) => void;

/** What calls share with the server they run in. */
export type CallScope = {
  /** A signal for one call: aborted with the call, and when the server closes. */
  enter(cancelled: (abort: () => void) => void): { signal: AbortSignal; leave: () => void };
  readonly closing: () => boolean;
  readonly observe: CallObserver;
};

/** A message's initial shape, whichever message it is. */
type Message = Record<string, unknown>;
type AnyHandler = (request: unknown, call: Call) => Promise<object> & AsyncIterable<object>;
/** What is called, by whom it may be, and what answers. */
type Served = { readonly method: DescMethod; readonly admit: Admit; readonly handler: AnyHandler };
type Emitter = { on(event: 'cancelled', listener: () => void): unknown };
type Writable = {
  write(message: object): boolean;
  end(): void;
  emit(event: 'error', status: object): boolean;
  once(event: 'drain', listener: () => void): unknown;
  off(event: 'drain', listener: () => void): unknown;
};

export function toGrpcService(
  binding: ServiceBinding,
  scope: CallScope,
): { definition: ServiceDefinition; implementation: UntypedServiceImplementation } {
  const definition: Record<string, ServiceDefinition[string]> = {};
  const implementation: UntypedServiceImplementation = {};
  for (const method of binding.service.methods) {
    // Parsed by us, once the caller is admitted.
    const requestDeserialize = (bytes: Buffer) => bytes;
    definition[method.name] = { ...methodDefinition(method), requestDeserialize };
    const handler = binding.handlers[method.localName] as AnyHandler;
    const served = { method, admit: binding.admit, handler };
    implementation[method.name] =
      method.methodKind === 'unary'
        ? unary(served, scope)
        : method.methodKind === 'server_streaming'
          ? serverStreaming(served, scope)
          : bidiStreaming(served, scope);
  }
  return { definition, implementation };
}

export function methodDefinition(method: DescMethod): ServiceDefinition[string] {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: method.methodKind === 'bidi_streaming',
    responseStream: method.methodKind !== 'unary',
    requestSerialize: (value: Message) =>
      Buffer.from(toBinary(method.input, create(method.input, value))),
    requestDeserialize: (bytes: Buffer) => fromBinary(method.input, bytes),
    responseSerialize: (value: Message) =>
      Buffer.from(toBinary(method.output, create(method.output, value))),
    responseDeserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
  };
}

function unary({ method, admit, handler }: Served, scope: CallScope) {
  const handle: handleUnaryCall<Buffer, object> = (call, callback) => {
    const run = async () => {
      const { signal, leave } = enter(call, scope);
      try {
        const context = toCall(call.metadata, signal);
        await admit(context);
        const response = await handler(fromBinary(method.input, call.request), context);
        scope.observe(method.name, undefined);
        callback(null, response);
      } catch (thrown) {
        scope.observe(method.name, CodedError.from(thrown));
        callback(toStatus(thrown));
      } finally {
        leave();
      }
    };
    void run();
  };
  return handle;
}

function serverStreaming({ method, admit, handler }: Served, scope: CallScope) {
  const handle: handleServerStreamingCall<Buffer, object> = (call) => {
    const { signal, leave } = enter(call, scope);
    const answers = async function* () {
      const context = toCall(call.metadata, signal);
      await admit(context);
      yield* handler(fromBinary(method.input, call.request), context);
    };
    void pump(call, answers, { method, scope, signal }).finally(leave);
  };
  return handle;
}

function bidiStreaming({ method, admit, handler }: Served, scope: CallScope) {
  const handle: handleBidiStreamingCall<Buffer, object> = (call) => {
    const { signal, leave } = enter(call, scope);
    const answers = async function* () {
      const context = toCall(call.metadata, signal);
      await admit(context);
      yield* handler(parsed(method, call), context);
    };
    void pump(call, answers, { method, scope, signal }).finally(leave);
  };
  return handle;
}

/** Not a generator: whoever stops reading early must not thereby end the call. */
function parsed(method: DescMethod, messages: AsyncIterable<Buffer>): AsyncIterable<object> {
  return {
    [Symbol.asyncIterator]: () => {
      const iterator = messages[Symbol.asyncIterator]();
      return {
        next: async () => {
          const { value, done } = await iterator.next();
          if (done === true) return { value: undefined, done };
          return { value: fromBinary(method.input, value) };
        },
      };
    },
  };
}

async function pump(
  stream: Writable,
  answers: () => AsyncIterable<object>,
  context: { method: DescMethod; scope: CallScope; signal: AbortSignal },
): Promise<void> {
  const { method, scope, signal } = context;
  try {
    for await (const answer of answers()) {
      if (signal.aborted) break;
      if (!stream.write(answer)) await drained(stream, signal);
    }
    if (scope.closing()) throw new CodedError('unavailable', 'the server is shutting down');
    scope.observe(method.name, undefined);
    stream.end();
  } catch (thrown) {
    scope.observe(method.name, CodedError.from(thrown));
    stream.emit('error', toStatus(thrown));
  }
}

async function drained(stream: Writable, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      stream.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    stream.once('drain', done);
    signal.addEventListener('abort', done, { once: true });
  });
}

function enter(call: Emitter, scope: CallScope) {
  return scope.enter((abort) => {
    call.on('cancelled', abort);
  });
}

function toCall(metadata: Metadata, signal: AbortSignal): Call {
  const values = new Map<string, readonly string[]>();
  for (const name of Object.keys(metadata.getMap())) {
    values.set(
      name,
      metadata
        .get(name)
        .map((value) => (typeof value === 'string' ? value : value.toString('base64'))),
    );
  }
  return { metadata: values, signal };
}
