// What a service is to the code that implements it: async functions and async generators over
// plain messages. No transport shows through, so the transport under a service can be replaced.
// And what of an error a peer is told, which is the same over every transport.

import type { DescMessage, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { CodedError, type ErrorCode } from '../base/errors.ts';

/** One call as its handler sees it. */
export type Call = {
  /** By lower-case name, in the order received; of names that end in `-bin`, in base64. */
  readonly metadata: ReadonlyMap<string, readonly string[]>;
  /** Aborted when the peer goes away, cancels, or the server closes. */
  readonly signal: AbortSignal;
};

type Method<I extends DescMessage, O extends DescMessage> = { input: I; output: O };

/**
 * The handler of one method: its shape follows from the method's kind. It must not change the request:
 * the next one may be the same object.
 */
export type Handler<M> = M extends { methodKind: 'unary' } & Method<infer I, infer O>
  ? (request: MessageShape<I>, call: Call) => Promise<MessageInitShape<O>>
  : M extends { methodKind: 'server_streaming' } & Method<infer I, infer O>
    ? (request: MessageShape<I>, call: Call) => AsyncIterable<MessageInitShape<O>>
    : M extends { methodKind: 'bidi_streaming' } & Method<infer I, infer O>
      ? (requests: AsyncIterable<MessageShape<I>>, call: Call) => AsyncIterable<MessageInitShape<O>>
      : never;

/** Every method of a service, none missing. */
export type Handlers<S extends DescService> = {
  readonly [K in keyof S['method']]: Handler<S['method'][K]>;
};

/**
 * Throws when a call must not be served. Asked with what the call carries beside its messages, and
 * before any of these is parsed: what parsing costs is for those who may call.
 */
export type Admit = (call: Call) => Promise<void>;

/** A service and its implementation, ready to be served by any transport. */
export type ServiceBinding = {
  readonly service: DescService;
  readonly admit: Admit;
  readonly handlers: Readonly<Record<string, unknown>>;
};

export function bindService<S extends DescService>(
  service: S,
  handlers: Handlers<S>,
  admit: Admit = async () => {},
): ServiceBinding {
  return { service, admit, handlers: handlers as Readonly<Record<string, unknown>> };
}

const unchanging = new WeakSet<object>();

/** Says that a message never changes and is answered more than once: its encoding may be kept. */
export function unchangingMessage<M extends object>(message: M): M {
  unchanging.add(message);
  return message;
}

export function isUnchanging(message: object): boolean {
  return unchanging.has(message);
}

/** The numbers of gRPC's status codes. */
export const STATUS_OF: { readonly [code in ErrorCode]: number } = {
  'invalid-argument': 3,
  'not-found': 5,
  'already-exists': 6,
  'permission-denied': 7,
  'resource-exhausted': 8,
  'failed-precondition': 9,
  aborted: 10,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
};

/** The status of a failed call. Details of what is unknown stay in our own log. */
export function toStatus(thrown: unknown): { code: number; details: string } {
  const error = CodedError.from(thrown);
  const details = error.code === 'internal' ? 'internal error' : error.message;
  return { code: STATUS_OF[error.code], details };
}
