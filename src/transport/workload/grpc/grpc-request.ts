// What a request asks for: which method, with which metadata, until when (gRPC over HTTP/2,
// "Requests"). What is no call that could be served has its answer already.

import { type DescMessage, type DescMethod, fromBinary } from '@bufbuild/protobuf';
import { CodedError } from '../../../base/errors.ts';
import { RecentBytes } from '../../../base/recent-bytes.ts';
import type { Admit, Call, ServiceBinding } from '../../rpc.ts';
import type { RequestHead } from '../http2/request-head.ts';
import { errorBlock, METHOD_NOT_ALLOWED, statusBlock, UNSUPPORTED_MEDIA_TYPE } from './answers.ts';

type AnyHandler = (request: unknown, call: Call) => Promise<object> & AsyncIterable<object>;

/** What is called, who may call it, and what answers. */
export type Served = {
  readonly method: DescMethod;
  readonly admit: Admit;
  /** Of a method that takes one message. The same bytes may give the same object. */
  readonly parse: (bytes: Uint8Array) => object;
  readonly handler: AnyHandler;
};

export type GrpcRequest =
  | {
      readonly kind: 'call';
      readonly served: Served;
      readonly metadata: ReadonlyMap<string, readonly string[]>;
      readonly timeoutMs: number | undefined;
    }
  /** The answer is a header block that ends the stream. */
  | { readonly kind: 'refused'; readonly answer: Buffer };

const MAX_PATH_CHARACTERS = 200;
const CONTENT_TYPE = /^application\/grpc(?:[+;]|$)/i;
const TIMEOUT = /^([0-9]{1,8})([HMSmun])$/;
const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1 / 1000,
  n: 1 / 1_000_000,
};
/** Of the transport, and of nobody who serves. */
const TRANSPORT_FIELDS: ReadonlySet<string> = new Set(['te', 'content-type', 'host']);
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** By path. */
export function servedMethods(bindings: readonly ServiceBinding[]): ReadonlyMap<string, Served> {
  const served = new Map<string, Served>();
  for (const { service, admit, handlers } of bindings) {
    for (const method of service.methods) {
      const handler = handlers[method.localName] as AnyHandler;
      const parse = parserOf(method.input);
      served.set(`/${service.typeName}/${method.name}`, { method, admit, parse, handler });
    }
  }
  return served;
}

function parserOf(schema: DescMessage): (bytes: Uint8Array) => object {
  const recent = new RecentBytes<object>();
  return (bytes) => {
    const known = recent.find(bytes);
    if (known !== undefined) return known;
    const message = fromBinary(schema, bytes);
    recent.keep(bytes, message);
    return message;
  };
}

export function readGrpcRequest(
  methods: ReadonlyMap<string, Served>,
  head: RequestHead | 'too-large',
): GrpcRequest {
  if (head === 'too-large') {
    return failed(new CodedError('resource-exhausted', 'metadata: over 8 KiB'));
  }
  if (head.method !== 'POST') return refused(METHOD_NOT_ALLOWED);
  const metadata = new Map<string, string[]>();
  let contentType = '';
  let encoding = 'identity';
  let timeout: string | undefined;
  for (let at = 0; at < head.fields.length; at += 2) {
    const name = head.fields[at] as string;
    const value = head.fields[at + 1] as string;
    if (name === 'content-type') contentType = value;
    else if (name === 'grpc-encoding') encoding = value;
    else if (name === 'grpc-timeout') timeout = value;
    else if (!TRANSPORT_FIELDS.has(name) && !name.startsWith('grpc-')) {
      const values = name.endsWith('-bin') ? binaryValues(value) : [value];
      if (values === undefined) {
        return failed(new CodedError('internal', `metadata ${name}: not base64`));
      }
      const before = metadata.get(name);
      if (before === undefined) metadata.set(name, values);
      else before.push(...values);
    }
  }
  if (!CONTENT_TYPE.test(contentType)) return refused(UNSUPPORTED_MEDIA_TYPE);
  const served = methods.get(head.path);
  if (served === undefined) {
    const path = head.path.slice(0, MAX_PATH_CHARACTERS);
    return failed(new CodedError('unimplemented', `no such method: ${path}`));
  }
  if (encoding !== 'identity') return refused(UNKNOWN_ENCODING);
  const timeoutMs = timeout === undefined ? undefined : parseTimeout(timeout);
  if (timeout !== undefined && timeoutMs === undefined) {
    return failed(new CodedError('internal', 'grpc-timeout: not a timeout'));
  }
  return { kind: 'call', served, metadata, timeoutMs };
}

function parseTimeout(text: string): number | undefined {
  const [, digits, unit] = TIMEOUT.exec(text) ?? [];
  if (digits === undefined || unit === undefined) return undefined;
  return Number(digits) * (UNIT_MS[unit] as number);
}

/** Several values may come as one, with commas; padding may be left out. */
function binaryValues(value: string): string[] | undefined {
  const values: string[] = [];
  for (const part of value.split(',')) {
    const text = part.trim();
    if (!BASE64.test(text)) return undefined;
    values.push(Buffer.from(text, 'base64').toString('base64'));
  }
  return values;
}

function refused(answer: Buffer): GrpcRequest {
  return { kind: 'refused', answer };
}

function failed(error: CodedError): GrpcRequest {
  return refused(errorBlock(error, true));
}

// A server that does not know the encoding says which it knows ("Compression").
const UNKNOWN_ENCODING: Buffer = statusBlock(
  { code: 12, details: 'grpc-encoding: identity alone is read' },
  true,
  [['grpc-accept-encoding', 'identity']],
);
