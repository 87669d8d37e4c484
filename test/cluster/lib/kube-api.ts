// The API server, as the administrator, over the gate's Unix socket: no process for each request, and
// watches instead of polling.

import { type IncomingMessage, request } from 'node:http';
import type { KubeObject, Metadata } from './kube-object.ts';
import { collectionPath, objectPath } from './kube-object.ts';

export type ApiRequest = {
  readonly method?: string;
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
  /** Acts as this user: `system:serviceaccount:NAMESPACE:NAME`. */
  readonly as?: string;
  readonly signal?: AbortSignal;
};

export type WatchEvent = { readonly type: string; readonly object: KubeObject };

type KubeList = { readonly metadata: Metadata; readonly items: readonly KubeObject[] };

export type WaitOptions = { readonly timeoutMs?: number };

/** An answer that is not 2xx. */
export class ApiError extends Error {
  readonly status: number;
  readonly body: string;

  constructor({ method = 'GET', path }: ApiRequest, status: number, body: string) {
    super(`${method} ${path}: ${status} ${messageOf(body)}`);
    this.name = 'ApiError';
    this.status = status;
    this.body = body;
  }
}

const FIELD_MANAGER = 'fieldManager=test&force=true';
const APPLY = 'application/apply-patch+yaml';
const MERGE = 'application/merge-patch+json';
const AGAIN_MS = 200;
const DEFAULT_WAIT_MS = 60_000;

export class KubeApi {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  async isReady(): Promise<boolean> {
    try {
      return (await this.text({ path: '/readyz' })) === 'ok';
    } catch {
      return false;
    }
  }

  async text(ask: ApiRequest): Promise<string> {
    const answer = await this.#send(ask);
    const body = await bodyOf(answer);
    const status = answer.statusCode ?? 0;
    if (status < 200 || status > 299) throw new ApiError(ask, status, body);
    return body;
  }

  async json<T>(ask: ApiRequest): Promise<T> {
    return JSON.parse(await this.text(ask)) as T;
  }

  async get<T extends KubeObject>(path: string): Promise<T> {
    return await this.json<T>({ path });
  }

  /** Undefined when it is not there. */
  async find<T extends KubeObject>(path: string): Promise<T | undefined> {
    try {
      return await this.get<T>(path);
    } catch (thrown) {
      if (thrown instanceof ApiError && thrown.status === 404) return undefined;
      throw thrown;
    }
  }

  async list<T extends KubeObject>(path: string): Promise<readonly T[]> {
    return (await this.json<{ readonly items: readonly T[] }>({ path })).items;
  }

  async create<T extends KubeObject>(object: T): Promise<T> {
    return await this.json<T>({ method: 'POST', path: collectionPath(object), body: object });
  }

  /** Server-side apply, one after the other. */
  async apply(...objects: readonly KubeObject[]): Promise<void> {
    for (const object of objects) {
      const path = `${objectPath(object)}?${FIELD_MANAGER}`;
      await this.text({ method: 'PATCH', path, body: object, contentType: APPLY });
    }
  }

  /** The object as it is stored then. */
  async merge<T>(path: string, body: object): Promise<T> {
    const text = await this.text({ method: 'PATCH', path, body, contentType: MERGE });
    return JSON.parse(text) as T;
  }

  /** Nothing when it is not there; resolves before finalizers and grace are over. */
  async delete(path: string, options: object = {}): Promise<void> {
    try {
      await this.text({ method: 'DELETE', path, body: options });
    } catch (thrown) {
      if (!(thrown instanceof ApiError && thrown.status === 404)) throw thrown;
    }
  }

  /** Of a collection, or of one object by `fieldSelector`; ends with the signal. */
  async *watch(path: string, signal: AbortSignal): AsyncGenerator<WatchEvent, void, undefined> {
    const watchPath = `${path}${path.includes('?') ? '&' : '?'}watch=true`;
    for await (const line of this.follow(watchPath, signal)) yield JSON.parse(line) as WatchEvent;
  }

  /** The lines of an answer as they come; ends with the signal, too. */
  async *follow(path: string, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    try {
      const answer = await this.#send({ path, signal });
      if (answer.statusCode !== 200) {
        throw new ApiError({ path }, answer.statusCode ?? 0, await bodyOf(answer));
      }
      yield* linesOf(answer);
    } catch (thrown) {
      if (!signal.aborted) throw thrown;
    }
  }

  /** The first state of one object that the predicate accepts. */
  async waitFor<T extends KubeObject>(
    path: string,
    accepts: (object: T) => boolean,
    { timeoutMs = DEFAULT_WAIT_MS }: WaitOptions = {},
  ): Promise<T> {
    let last: KubeObject | undefined;
    for await (const object of this.#states(path, AbortSignal.timeout(timeoutMs))) {
      last = object ?? last;
      if (object !== undefined && accepts(object as T)) return object as T;
    }
    const seen = last === undefined ? 'never there' : JSON.stringify(last['status'] ?? last);
    throw new Error(`waited ${timeoutMs} ms for ${path}: ${seen}`);
  }

  async waitGone(path: string, { timeoutMs = DEFAULT_WAIT_MS }: WaitOptions = {}): Promise<void> {
    for await (const object of this.#states(path, AbortSignal.timeout(timeoutMs))) {
      if (object === undefined) return;
    }
    throw new Error(`waited ${timeoutMs} ms for the end of ${path}`);
  }

  /** One object now and at each change, undefined while it is not there; misses none. */
  async *#states(path: string, signal: AbortSignal): AsyncGenerator<KubeObject | undefined> {
    const end = path.lastIndexOf('/');
    const selected = `${path.slice(0, end)}?fieldSelector=metadata.name=${path.slice(end + 1)}`;
    while (!signal.aborted) {
      try {
        const list = await this.json<KubeList>({ path: selected, signal });
        yield list.items[0];
        // Short ones, each after a read of its own: after the store was away, watches without a
        // version were seen to end in errors for a minute.
        const from = `${selected}&timeoutSeconds=5&resourceVersion=${list.metadata.resourceVersion ?? ''}`;
        for await (const { type, object } of this.watch(from, signal)) {
          if (type === 'ERROR') break;
          yield type === 'DELETED' ? undefined : object;
        }
      } catch (thrown) {
        // The API server restarts; what it refuses for good stays an error.
        if (thrown instanceof ApiError && thrown.status < 500) throw thrown;
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }

  async #send(ask: ApiRequest): Promise<IncomingMessage> {
    const { method = 'GET', path, body, contentType = 'application/json', as, signal } = ask;
    // With its length: Node.js frames no body of a DELETE by itself.
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    return await new Promise((resolve, reject) => {
      const sent = request({
        socketPath: this.#socket,
        method,
        path,
        headers: {
          host: 'localhost',
          ...(bytes === undefined
            ? {}
            : { 'content-type': contentType, 'content-length': bytes.length }),
          ...(as === undefined ? {} : { 'impersonate-user': as }),
        },
        ...(signal === undefined ? {} : { signal }),
      });
      sent.once('error', reject);
      sent.once('response', resolve);
      sent.end(bytes);
    });
  }
}

/** Not by readline, which leaves the connection open when its reader stops early. */
async function* linesOf(answer: IncomingMessage): AsyncGenerator<string, void, undefined> {
  let rest = '';
  answer.setEncoding('utf8');
  for await (const part of answer) {
    const lines = (rest + String(part)).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

async function bodyOf(answer: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of answer) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

/** Of a Status object, when it is one. */
function messageOf(body: string): string {
  try {
    return String((JSON.parse(body) as { message?: unknown }).message);
  } catch {
    return body.slice(0, 500);
  }
}
