// One kind of object, followed for ever: first the complete set, then each change, whatever happens
// to connections and histories in between. What it delivers is a state: what went unseen in a gap is
// noticed by the next complete set, and nothing is gone because something failed.

import { backoffMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { CodedError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { KubeClient } from '../kube-client.ts';
import { isGone, NO_ANSWER, retryAfterOf } from '../kube-error.ts';
import { versionOf } from '../object-key.ts';
import { Connection } from './connection.ts';
import {
  type InitialSet,
  openWatch,
  type Projection,
  readList,
  readWatchList,
  toListed,
  WATCH_LIST_QUERY,
} from './initial-set.ts';
import { KnownObjects, type KubeChange } from './known-objects.ts';
import type { WatchEvent } from './watch-events.ts';

export type KubeBatch = {
  readonly changes: readonly KubeChange[];
  /** Everything up to it is in what was delivered. */
  readonly version: bigint;
  /** The batch brings the view up to a complete set; it holds all of it that may differ. */
  readonly isComplete: boolean;
};

export type ReflectorOptions = {
  readonly client: KubeClient;
  /** Of the collection, such as `/api/v1/pods`. */
  readonly path: string;
  /** What is kept of an object; asked for anew for each connection. */
  readonly projection: () => Projection;
  readonly deliver: (batch: KubeBatch) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly pageSize?: number;
  /** A watch that says nothing for so long is ended; bookmarks come every minute. */
  readonly idleMs?: number;
  readonly random?: () => number;
};

const PAGE_SIZE = 500;
const IDLE_MS = 75_000;
const RETRY = { initialMs: 800, maxMs: 30_000 } as const;
/** An API server that answers nothing has no load from being asked, and views age until it is back. */
const RETRY_UNANSWERED = { initialMs: 800, maxMs: 5000 } as const;
const MIN_WATCH_SECONDS = 300;
/** A watch that ended sooner, without a word, is not opened again at once. */
const SHORT_WATCH_MS = 1000;

export class Reflector {
  readonly #options: ReflectorOptions;
  readonly #known = new KnownObjects();
  #version: bigint | undefined;
  #progressAt = Number.NEGATIVE_INFINITY;
  #failures = 0;
  /** Of them in a row, those without any answer. */
  #unanswered = 0;
  #watchList: 'try' | 'skip once' | 'refused' = 'try';
  #connection: Connection | undefined;
  #needsSet = true;
  /** What is kept of objects has changed, so the next complete set is delivered whole. */
  #needsWhole = false;

  constructor(options: ReflectorOptions) {
    this.#options = options;
  }

  get path(): string {
    return this.#options.path;
  }

  /** Whether a complete set was delivered once. */
  get isSynced(): boolean {
    return this.#version !== undefined;
  }

  /** Everything up to it was delivered; undefined before the first complete set. */
  get version(): bigint | undefined {
    return this.#version;
  }

  /** When the view was last known to be up to date: the last event, bookmark or complete set. */
  get progressAt(): number {
    return this.#progressAt;
  }

  /** Asks for a complete set of whole objects, kept by what `projection` then says. */
  relist(): void {
    this.#needsWhole = true;
    this.#connection?.restart();
  }

  /** Follows until aborted; failures are logged and tried again. Rejects when `deliver` throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, path, idleMs = IDLE_MS } = this.#options;
    while (!signal.aborted) {
      const startedAt = clock.now();
      const age = startedAt - this.#progressAt;
      // A watch that goes on from an old version says nothing before its next bookmark.
      if (!(age >= 0 && age < idleMs)) this.#needsSet = true;
      const connection = new Connection(clock, this.#needsSet ? startedAt : this.#progressAt);
      this.#connection = connection;
      signal.addEventListener('abort', connection.stop, { once: true });
      try {
        await this.#connect(connection);
        const isShort = Math.abs(clock.now() - startedAt) < SHORT_WATCH_MS;
        if (isShort && !connection.hasHeard) await clock.sleep(this.#backoff(), signal);
      } catch (thrown) {
        if (thrown instanceof DeliveryFailure) throw thrown.cause;
        if (signal.aborted || connection.isRestarted) continue;
        const err = CodedError.from(thrown);
        if (isGone(err) || connection.isStalled) this.#needsSet = true;
        const attempt = this.#failures + this.#unanswered;
        // What lasts is said now and then.
        const say = this.#unanswered > 5 && this.#unanswered % 10 !== 0 ? 'debug' : 'warn';
        log[say]({ path, err, attempt }, 'Lost a watch, will retry');
        // Whoever waited for a word has waited long enough; a view may not grow much older.
        if (connection.isStalled) continue;
        const waitMs = err.reason === NO_ANSWER ? this.#unansweredBackoff() : this.#backoff();
        await clock.sleep(Math.max(waitMs, retryAfterOf(err)), signal);
      } finally {
        signal.removeEventListener('abort', connection.stop);
      }
    }
  }

  async #connect(connection: Connection): Promise<void> {
    const { client, path, idleMs = IDLE_MS } = this.#options;
    const { signal } = connection;
    const guard = connection.guard(idleMs);
    try {
      const needsSet = this.#needsSet || this.#needsWhole;
      const events = needsSet ? await this.#readSet(connection) : undefined;
      const query = {
        watch: 'true',
        allowWatchBookmarks: 'true',
        resourceVersion: String(this.#version),
        timeoutSeconds: this.#watchSeconds(),
      };
      await this.#follow(events ?? (await openWatch(client, { path, query, signal })), connection);
    } finally {
      connection.stop();
      await guard;
    }
  }

  /** Delivers a complete set; gives the watch that goes on from it, where there is one already. */
  async #readSet(connection: Connection): Promise<AsyncGenerator<WatchEvent> | undefined> {
    const { client, path, pageSize = PAGE_SIZE } = this.#options;
    const projection = this.#options.projection();
    const { signal, onProgress } = connection;
    const reader = { client, path, projection, pageSize, signal, onProgress };
    if (this.#watchList === 'try') {
      const query = { ...WATCH_LIST_QUERY, timeoutSeconds: this.#watchSeconds() };
      try {
        const events = await openWatch(client, { path, query, signal });
        this.#deliverSet(await readWatchList(events, reader), connection);
        return events;
      } catch (thrown) {
        if (thrown instanceof DeliveryFailure) throw thrown;
        const { code } = CodedError.from(thrown);
        const isRefused = code === 'invalid-argument' || code === 'unimplemented';
        this.#watchList = isRefused ? 'refused' : 'skip once';
        if (!isRefused) throw thrown;
      }
    }
    this.#deliverSet(await readList(reader), connection);
    if (this.#watchList === 'skip once') this.#watchList = 'try';
    return undefined;
  }

  #deliverSet(set: InitialSet, { signal }: Connection): void {
    // Asked to start over: what was kept of objects is no longer what is needed.
    if (signal.aborted) throw new CodedError('aborted', 'stopped');
    const changes = this.#known.replace(set, this.#needsWhole);
    this.#needsWhole = false;
    this.#needsSet = false;
    this.#deliver({ changes, version: set.version, isComplete: true });
  }

  async #follow(events: AsyncIterable<WatchEvent>, connection: Connection): Promise<void> {
    const projection = this.#options.projection();
    for await (const { type, object } of events) {
      if (connection.signal.aborted) return;
      connection.onProgress();
      this.#failures = 0;
      this.#unanswered = 0;
      if (type === 'BOOKMARK') {
        this.#advance(versionOf(object));
        continue;
      }
      const listed = toListed(object, projection);
      const change = type === 'DELETED' ? this.#known.delete(listed) : this.#known.set(listed);
      this.#deliver({ changes: [change], version: listed.version, isComplete: false });
    }
  }

  #deliver(batch: KubeBatch): void {
    try {
      this.#options.deliver(batch);
    } catch (cause) {
      throw new DeliveryFailure('a delivery failed', { cause });
    }
    this.#advance(batch.version);
  }

  #advance(version: bigint): void {
    this.#version = version;
    this.#progressAt = this.#options.clock.now();
  }

  #backoff(): number {
    const { random = Math.random } = this.#options;
    this.#failures += 1;
    this.#unanswered = 0;
    return backoffMs(this.#failures - 1, { ...RETRY, random });
  }

  #unansweredBackoff(): number {
    const { random = Math.random } = this.#options;
    this.#unanswered += 1;
    return backoffMs(this.#unanswered - 1, { ...RETRY_UNANSWERED, random });
  }

  #watchSeconds(): string {
    const { random = Math.random } = this.#options;
    return String(MIN_WATCH_SECONDS + Math.floor(MIN_WATCH_SECONDS * random()));
  }
}

/** Whoever takes changes in has failed: the view is not what was delivered, so nothing may go on. */
class DeliveryFailure extends Error {}
