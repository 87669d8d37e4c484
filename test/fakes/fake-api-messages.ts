// What a fake API server is asked, and how it answers.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { JsonObject } from '../../src/template/json-value.ts';

export type ApiRequest = {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly token: string;
  readonly contentType: string;
  readonly body: JsonObject | undefined;
};

/** What happens to a request instead: an answer, no answer at all, or a connection that breaks. */
export type Fault = {
  readonly on: (request: ApiRequest) => boolean;
  readonly times?: number;
  readonly act:
    | 'drop'
    | 'stall'
    | {
        readonly status: number;
        readonly headers?: Record<string, string>;
        readonly body?: unknown;
        readonly raw?: string;
      };
};

type Meta = {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  [key: string]: unknown;
};
export type ApiObject = { metadata: Meta; [key: string]: unknown };
export type Route = {
  collection: string;
  namespace: string | undefined;
  name: string | undefined;
  subresource: string | undefined;
};

export function write(response: ServerResponse, type: string, object: unknown): void {
  response.write(`${JSON.stringify({ type, object })}\n`);
}

export function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

export function failure(code: number, reason: string, message: string): JsonObject {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message };
}

export async function readRequest(incoming: IncomingMessage): Promise<ApiRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const url = new URL(incoming.url ?? '/', 'https://localhost');
  return {
    method: incoming.method ?? '',
    path: url.pathname,
    query: url.searchParams,
    token: (incoming.headers.authorization ?? '').replace(/^Bearer /, ''),
    contentType: incoming.headers['content-type'] ?? '',
    body: text === '' ? undefined : (JSON.parse(text) as JsonObject),
  };
}
