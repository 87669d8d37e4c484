// A Kubernetes API server as far as clients of ours depend on one: real HTTPS, resource versions, paged
// lists, watches with bookmarks, the watch list, conflicts, patches, TokenReview; and every fault that
// a client has to survive, on request.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import {
  createServingAuthority,
  createServingLeaf,
} from '../../src/spiffe/authority/x509-authority.ts';
import { formatPemCertificate } from '../../src/spiffe/pem.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
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
type History = { version: number; type: string; object: ApiObject };
type Watcher = { collection: string; namespace: string | undefined; response: ServerResponse };
type Route = {
  collection: string;
  namespace: string | undefined;
  name: string | undefined;
  subresource: string | undefined;
};

const TRUST_DOMAIN = parseTrustDomain('kube.test');
const PATH =
  /^(\/api\/v1|\/apis\/[^/]+\/[^/]+)(?:\/namespaces\/([^/]+)(?=\/))?\/([a-z]+)(?:\/([^/]+))?(?:\/(status))?$/;

export class FakeApiServer {
  token = 'api-token';
  watchListEnabled = true;
  /** While true, watches are open and say nothing. */
  silent = false;
  readonly requests: ApiRequest[] = [];
  readonly faults: Fault[] = [];
  /** Answers of TokenReview by token. */
  readonly tokens = new Map<string, JsonObject>();
  readonly #collections = new Map<string, Map<string, ApiObject>>();
  readonly #kinds = new Map<string, { apiVersion: string; kind: string }>();
  readonly #history = new Map<string, History[]>();
  readonly #watchers = new Set<Watcher>();
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  #version = 1000;
  #compacted = 0;
  #uids = 0;

  readonly ca: string;

  private constructor(ca: string, tls: { cert: string; key: string }) {
    this.ca = ca;
    this.#server = createServer(tls, (request, response) => {
      void this.#serve(request, response);
    });
    this.#server.on('secureConnection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => {});
    });
  }

  static async start(): Promise<FakeApiServer> {
    const life = {
      trustDomain: TRUST_DOMAIN,
      notBefore: Date.now() - 60_000,
      notAfter: Date.now() + 3_600_000,
    };
    const authority = await createServingAuthority(life);
    const leaf = await createServingLeaf({
      ...life,
      signedBy: authority,
      spiffeId: parseSpiffeId('spiffe://kube.test/api'),
      dnsNames: ['localhost'],
    });
    const server = new FakeApiServer(formatPemCertificate(authority.certificateDer), {
      cert: formatPemCertificate(leaf.certificateDer),
      key: leaf.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    });
    await server.listen(0);
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `https://localhost:${this.port}`;
  }

  get version(): number {
    return this.#version;
  }

  get openWatches(): number {
    return this.#watchers.size;
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.listen(port, 'localhost', resolve);
    });
  }

  /** Goes down hard, as a machine does; `listen` with the same port brings it back. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    this.#watchers.clear();
  }

  /** The kind of a collection, such as `/api/v1/pods`. */
  define(collection: string, apiVersion: string, kind: string): void {
    this.#kinds.set(collection, { apiVersion, kind });
  }

  set(collection: string, given: ApiObject, options: { silently?: boolean } = {}): ApiObject {
    const objects = this.#objects(collection);
    const key = keyOf(given.metadata);
    const known = objects.get(key);
    this.#version += 1;
    const object: ApiObject = {
      ...this.#kinds.get(collection),
      ...given,
      metadata: {
        ...given.metadata,
        uid: given.metadata.uid ?? known?.metadata.uid ?? `uid-${(this.#uids += 1)}`,
        resourceVersion: String(this.#version),
      },
    };
    objects.set(key, object);
    if (options.silently !== true) this.#emit(collection, known ? 'MODIFIED' : 'ADDED', object);
    return object;
  }

  delete(collection: string, name: string, namespace?: string): void {
    const objects = this.#objects(collection);
    const key = keyOf({ name, ...(namespace === undefined ? {} : { namespace }) });
    const known = objects.get(key);
    if (known === undefined) throw new Error(`no ${collection} ${key}`);
    objects.delete(key);
    this.#version += 1;
    const metadata = { ...known.metadata, resourceVersion: String(this.#version) };
    this.#emit(collection, 'DELETED', { ...known, metadata });
  }

  get(collection: string, name: string, namespace?: string): ApiObject | undefined {
    return this.#objects(collection).get(
      keyOf({ name, ...(namespace === undefined ? {} : { namespace }) }),
    );
  }

  all(collection: string): readonly ApiObject[] {
    return [...this.#objects(collection).values()];
  }

  /** Tells every watch how far it has come. */
  bookmark(): void {
    if (this.silent) return;
    this.#version += 1;
    for (const { collection, response } of this.#watchers) {
      write(response, 'BOOKMARK', this.#bookmarkOf(collection));
    }
  }

  /** Sends a raw line to every watch. */
  sendRaw(line: string): void {
    for (const { response } of this.#watchers) response.write(line);
  }

  sendError(status: JsonObject): void {
    for (const { response } of this.#watchers) write(response, 'ERROR', status);
  }

  /** Ends watches properly, or breaks their connections. */
  endWatches(how: 'end' | 'drop'): void {
    for (const { response } of this.#watchers) {
      if (how === 'end') response.end();
      else response.destroy();
    }
    this.#watchers.clear();
  }

  /** Forgets history: older resource versions and continue tokens are gone. */
  compact(): void {
    this.#compacted = this.#version;
    this.#history.clear();
  }

  requestsOf(method: string, path: string): readonly ApiRequest[] {
    return this.requests.filter((each) => each.method === method && each.path === path);
  }

  #objects(collection: string): Map<string, ApiObject> {
    let objects = this.#collections.get(collection);
    if (objects === undefined) {
      objects = new Map();
      this.#collections.set(collection, objects);
    }
    return objects;
  }

  #emit(collection: string, type: string, object: ApiObject): void {
    const history = this.#history.get(collection) ?? [];
    history.push({ version: this.#version, type, object });
    this.#history.set(collection, history);
    if (this.silent) return;
    for (const watcher of this.#watchers) {
      if (watcher.collection === collection && inNamespace(object, watcher.namespace)) {
        write(watcher.response, type, object);
      }
    }
  }

  #bookmarkOf(collection: string): JsonObject {
    const kind = this.#kinds.get(collection);
    return { ...kind, metadata: { resourceVersion: String(this.#version) } } as JsonObject;
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {});
    const request = await readRequest(incoming);
    this.requests.push(request);
    const fault = this.#faultFor(request);
    if (fault !== undefined) {
      if (fault.act === 'stall') return;
      if (fault.act === 'drop') {
        incoming.socket.destroy();
        return;
      }
      const { status, headers = {}, body, raw } = fault.act;
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(raw ?? JSON.stringify(body ?? failure(status, 'Fault', 'a fault')));
      return;
    }
    if (request.token !== this.token) {
      answer(response, 401, failure(401, 'Unauthorized', 'Unauthorized'));
      return;
    }
    const match = PATH.exec(request.path);
    if (match === null) {
      answer(response, 404, failure(404, 'NotFound', 'no such path'));
      return;
    }
    const [, group = '', namespace, resource = '', name, subresource] = match;
    const route = { collection: `${group}/${resource}`, namespace, name, subresource };
    if (resource === 'tokenreviews') this.#review(request, response);
    else if (request.method === 'GET' && name === undefined) this.#read(route, request, response);
    else this.#single(route, request, response);
  }

  #faultFor(request: ApiRequest): Fault | undefined {
    const at = this.faults.findIndex((fault) => fault.on(request));
    const fault = this.faults[at];
    if (fault?.times === undefined) return fault;
    if (fault.times <= 1) this.faults.splice(at, 1);
    else this.faults[at] = { ...fault, times: fault.times - 1 };
    return fault;
  }

  #review({ body }: ApiRequest, response: ServerResponse): void {
    const spec = (body?.['spec'] ?? {}) as { token?: string };
    const status = this.tokens.get(spec.token ?? '') ?? { authenticated: false, error: 'unknown' };
    answer(response, 201, { ...body, status });
  }

  #read(route: Route, request: ApiRequest, response: ServerResponse): void {
    if (request.query.get('watch') === 'true') this.#watch(route, request, response);
    else this.#list(route, request.query, response);
  }

  #list({ collection, namespace }: Route, query: URLSearchParams, response: ServerResponse): void {
    const [offset, version] = (query.get('continue') ?? `0@${this.#version}`)
      .split('@')
      .map(Number);
    if ((version ?? 0) < this.#compacted) {
      answer(response, 410, failure(410, 'Expired', 'the continue token is too old'));
      return;
    }
    const all = [...this.#objects(collection).values()].filter((o) => inNamespace(o, namespace));
    const limit = Number(query.get('limit') ?? all.length) || all.length;
    const end = (offset ?? 0) + limit;
    const more = end < all.length ? { continue: `${end}@${version}` } : {};
    answer(response, 200, {
      metadata: { resourceVersion: String(version), ...more },
      items: all.slice(offset, end),
    });
  }

  #watch({ collection, namespace }: Route, { query }: ApiRequest, response: ServerResponse): void {
    const isWatchList = query.get('sendInitialEvents') === 'true';
    if (isWatchList && !this.watchListEnabled) {
      const message = 'sendInitialEvents: Forbidden: unless the WatchList feature gate is enabled';
      answer(response, 422, failure(422, 'Invalid', message));
      return;
    }
    const from = Number(query.get('resourceVersion') || '0');
    if (!isWatchList && from < this.#compacted) {
      answer(response, 410, failure(410, 'Expired', `too old resource version: ${from}`));
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    if (isWatchList) {
      for (const object of this.#objects(collection).values()) {
        if (inNamespace(object, namespace)) write(response, 'ADDED', object);
      }
      const bookmark = this.#bookmarkOf(collection);
      const annotations = { 'k8s.io/initial-events-end': 'true' };
      const metadata = { ...(bookmark['metadata'] as JsonObject), annotations };
      write(response, 'BOOKMARK', { ...bookmark, metadata });
    } else if (!this.silent) {
      for (const { version, type, object } of this.#history.get(collection) ?? []) {
        if (version > from && inNamespace(object, namespace)) write(response, type, object);
      }
    }
    const watcher = { collection, namespace, response };
    this.#watchers.add(watcher);
    response.on('close', () => this.#watchers.delete(watcher));
  }

  #single(route: Route, request: ApiRequest, response: ServerResponse): void {
    const { collection, namespace, subresource } = route;
    const body = request.body as ApiObject | undefined;
    const name = route.name ?? body?.metadata.name ?? '';
    const place = { name, ...(namespace === undefined ? {} : { namespace }) };
    const known = this.#objects(collection).get(keyOf(place));
    if (request.method === 'POST') {
      if (known !== undefined) {
        answer(response, 409, failure(409, 'AlreadyExists', `${name} already exists`));
        return;
      }
      if (request.query.get('dryRun') === 'All') {
        answer(response, 201, body);
        return;
      }
      answer(
        response,
        201,
        this.set(collection, { ...body, metadata: { ...body?.metadata, ...place } }),
      );
      return;
    }
    const isApplied = request.contentType === 'application/apply-patch+yaml';
    if (known === undefined && isApplied && subresource === undefined) {
      answer(response, 201, this.set(collection, body ?? { metadata: place }));
    } else if (known === undefined) {
      answer(response, 404, failure(404, 'NotFound', `${name} not found`));
    } else if (request.method === 'GET') {
      answer(response, 200, known);
    } else if (isStale(body, known)) {
      answer(response, 409, failure(409, 'Conflict', 'the object has been modified'));
    } else if (request.method === 'DELETE') {
      this.delete(collection, name, namespace);
      answer(response, 200, { kind: 'Status', status: 'Success' });
    } else {
      const next =
        request.method === 'PUT'
          ? { ...body, metadata: { ...body?.metadata, ...place, uid: known.metadata.uid ?? '' } }
          : merge(known, subresource === 'status' ? { status: body?.['status'] } : (body ?? {}));
      answer(response, 200, this.set(collection, next as ApiObject));
    }
  }
}

function isStale(body: ApiObject | undefined, known: ApiObject): boolean {
  const { resourceVersion, uid } = body?.metadata ?? {};
  return (
    (resourceVersion !== undefined && resourceVersion !== known.metadata.resourceVersion) ||
    (uid !== undefined && uid !== known.metadata.uid)
  );
}

/** RFC 7396. */
function merge(into: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const base = typeof into === 'object' && into !== null && !Array.isArray(into) ? into : {};
  const result = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) result.delete(key);
    else result.set(key, merge(result.get(key), value));
  }
  return Object.fromEntries(result);
}

function keyOf({ namespace, name }: { namespace?: string; name: string }): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

function inNamespace(object: ApiObject, namespace: string | undefined): boolean {
  return namespace === undefined || object.metadata.namespace === namespace;
}

function write(response: ServerResponse, type: string, object: unknown): void {
  response.write(`${JSON.stringify({ type, object })}\n`);
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

export function failure(code: number, reason: string, message: string): JsonObject {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message };
}

async function readRequest(incoming: IncomingMessage): Promise<ApiRequest> {
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
