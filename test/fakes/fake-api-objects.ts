// The objects of a fake API server, their versions and history, and who watches them.

import type { ServerResponse } from 'node:http';
import type { JsonObject } from '../../src/template/json-value.ts';
import {
  type ApiObject,
  type ApiRequest,
  answer,
  failure,
  type Route,
  write,
} from './fake-api-messages.ts';

type History = { version: number; type: string; object: ApiObject };
type Watcher = { collection: string; namespace: string | undefined; response: ServerResponse };

export class FakeApiObjects {
  watchListEnabled = true;
  /** While true, watches are open and say nothing. */
  silent = false;
  readonly #collections = new Map<string, Map<string, ApiObject>>();
  readonly #kinds = new Map<string, { apiVersion: string; kind: string }>();
  readonly #history = new Map<string, History[]>();
  readonly #watchers = new Set<Watcher>();
  #version = 1000;
  #compacted = 0;
  #uids = 0;

  get version(): number {
    return this.#version;
  }

  get openWatches(): number {
    return this.#watchers.size;
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

  /** Answers a list, or a page of one. */
  protected list(
    { collection, namespace }: Route,
    query: URLSearchParams,
    response: ServerResponse,
  ): void {
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

  /** Answers a watch, which stays open. */
  protected watch(
    { collection, namespace }: Route,
    { query }: ApiRequest,
    response: ServerResponse,
  ): void {
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

  /** Nobody watches any more. */
  protected forgetWatches(): void {
    this.#watchers.clear();
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
}

function keyOf({ namespace, name }: { namespace?: string; name: string }): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

function inNamespace(object: ApiObject, namespace: string | undefined): boolean {
  return namespace === undefined || object.metadata.namespace === namespace;
}
