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
import type { Call, ServiceBinding } from '../rpc.ts';
import { toStatus } from './grpc-status.ts';

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
    definition[method.name] = methodDefinition(method);
    const handler = binding.handlers[method.localName] as AnyHandler;
    implementation[method.name] =
      method.methodKind === 'unary'
        ? unary(method, handler, scope)
        : method.methodKind === 'server_streaming'
          ? serverStreaming(method, handler, scope)
          : bidiStreaming(method, handler, scope);
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

function unary(method: DescMethod, handler: AnyHandler, scope: CallScope) {
  const handle: handleUnaryCall<unknown, object> = (call, callback) => {
    const run = async () => {
      const { signal, leave } = enter(call, scope);
      try {
        const response = await handler(call.request, toCall(call.metadata, signal));
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

function serverStreaming(method: DescMethod, handler: AnyHandler, scope: CallScope) {
  const handle: handleServerStreamingCall<unknown, object> = (call) => {
    const { signal, leave } = enter(call, scope);
    const answers = () => handler(call.request, toCall(call.metadata, signal));
    void pump(call, answers, { method, scope, signal }).finally(leave);
  };
  return handle;
}

function bidiStreaming(method: DescMethod, handler: AnyHandler, scope: CallScope) {
  const handle: handleBidiStreamingCall<unknown, object> = (call) => {
    const { signal, leave } = enter(call, scope);
    const answers = () => handler(call, toCall(call.metadata, signal));
    void pump(call, answers, { method, scope, signal }).finally(leave);
  };
  return handle;
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
      metadata.get(name).map((value) => value.toString()),
    );
  }
  return { metadata: values, signal };
}
