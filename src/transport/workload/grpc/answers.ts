// What an answer says beside its messages, as header blocks that are made once, and the messages as
// they go out (gRPC over HTTP/2, "Responses").

import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { isUnchanging, toStatus } from '../../rpc.ts';
import { encodeHeaders } from '../hpack/hpack-encoder.ts';
import { PREFIX_BYTES } from './message-reader.ts';

type Field = readonly [name: string, value: string];

const STATUS_FIELD: Field = [':status', '200'];
const CONTENT_TYPE: Field = ['content-type', 'application/grpc'];
const MAX_DETAILS_CHARACTERS = 1024;
export const DEADLINE_EXCEEDED = 4;

/** Begins an answer that has messages. */
export const ANSWER_HEADERS: Buffer = encodeHeaders([STATUS_FIELD, CONTENT_TYPE]);
/** Ends one well. */
export const OK_TRAILERS: Buffer = encodeHeaders([['grpc-status', '0']]);
/** An answer without messages that ends well ("Trailers-Only"). */
export const OK_ALONE: Buffer = encodeHeaders([STATUS_FIELD, CONTENT_TYPE, ['grpc-status', '0']]);

/** Answers to what is no gRPC call. */
export const METHOD_NOT_ALLOWED: Buffer = encodeHeaders([
  [':status', '405'],
  ['allow', 'POST'],
]);
export const UNSUPPORTED_MEDIA_TYPE: Buffer = encodeHeaders([[':status', '415']]);

export type Status = { readonly code: number; readonly details: string };

/** Ends an answer badly: after its messages, or instead of any (`isAlone`). */
export function statusBlock(status: Status, isAlone: boolean, more: readonly Field[] = []): Buffer {
  return encodeHeaders([
    ...(isAlone ? [STATUS_FIELD, CONTENT_TYPE] : []),
    ['grpc-status', String(status.code)],
    ['grpc-message', percentEncoded(status.details.slice(0, MAX_DETAILS_CHARACTERS))],
    ...more,
  ]);
}

export function errorBlock(thrown: unknown, isAlone: boolean): Buffer {
  return statusBlock(toStatus(thrown), isAlone);
}

/** The status of a failed call, in the field's own percent-encoding: UTF-8, all but printable ASCII. */
export function percentEncoded(text: string): string {
  let encoded = '';
  for (const byte of Buffer.from(text.toWellFormed())) {
    encoded +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

const encodings = new WeakMap<object, Buffer>();

/** A message with its prefix. That of an unchanging message is made once, for all who get it. */
export function encodeMessage(schema: DescMessage, message: object): Buffer {
  const known = encodings.get(message);
  if (known !== undefined) return known;
  const bytes = toBinary(schema, create(schema, message as MessageInitShape<DescMessage>));
  // Of its own: a part of a shared slab would keep the slab for as long as a slow reader takes.
  const encoded = Buffer.allocUnsafeSlow(PREFIX_BYTES + bytes.length);
  encoded[0] = 0;
  encoded.writeUInt32BE(bytes.length, 1);
  encoded.set(bytes, PREFIX_BYTES);
  if (isUnchanging(message)) encodings.set(message, encoded);
  return encoded;
}
