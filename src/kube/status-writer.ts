// Writes what we have to say about objects into their status: the newest value, only when it says
// something new, and never often. Fields of others are left alone; fields that others own are theirs.

import type { Clock } from '../base/clock.ts';
import { CodedError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { WorkQueue, type WorkResult } from '../base/work-queue.ts';
import type { JsonObject } from '../template/json-value.ts';
import { canonical, canonicalText, covers } from './canonical-json.ts';
import type { KubeClient } from './kube-client.ts';
import { isForeignField, retryAfterOf } from './kube-error.ts';
import { versionOf } from './object-key.ts';

export type StatusTarget = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  /** An object of the same name that came after is another one. API servers do not always check. */
  readonly uid: string;
  /** Of the object, without `/status`. */
  readonly path: string;
};

/** The status as a watch has it. */
export type StoredStatus = { readonly status: JsonObject; readonly version: bigint };

export type StatusWriterOptions = {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** Who the fields belong to, such as `signet-controller`. */
  readonly fieldManager: string;
  /** Whether to take fields over from another owner. */
  readonly adopts?: boolean;
  /** Whether the object is still the one of its name, as far as is known; default: always. */
  readonly isCurrent?: (target: StatusTarget) => boolean;
  /** Told of an object where another manager owns what we would write. */
  readonly onForeign?: (target: StatusTarget) => void;
};

type Wish = {
  readonly target: StatusTarget;
  readonly status: JsonObject;
  readonly text: string;
  stored: StoredStatus | undefined;
};
type Written = { readonly text: string; readonly version: bigint };

const WRITE_EVERY_MS = 10_000;
/** The first retry comes no sooner than an ordinary write would. */
const BACKOFF = { initialMs: 2 * WRITE_EVERY_MS, maxMs: 5 * 60_000 } as const;

export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #queue: WorkQueue;
  readonly #wishes = new Map<string, Wish>();
  readonly #written = new Map<string, Written>();
  readonly #triedAt = new Map<string, number>();

  constructor(options: StatusWriterOptions) {
    const { clock, log } = options;
    this.#options = options;
    this.#queue = new WorkQueue({
      clock,
      concurrency: 4,
      backoff: BACKOFF,
      onError: (path, err, attempt) => log.warn({ path, err, attempt }, 'Failed to write a status'),
    });
  }

  /** Says what the status should be; `stored` is what a watch last showed of it. */
  set(target: StatusTarget, status: JsonObject, stored?: StoredStatus): void {
    const key = target.path;
    const known = this.#wishes.get(key);
    // What was said of an earlier object of the name says nothing of this one.
    if (known !== undefined && known.target.uid !== target.uid) this.#written.delete(key);
    const text = canonicalText(status);
    this.#wishes.set(key, { target, status, text, stored });
    if (known?.text === text) this.#queue.ensure(key);
    else this.#queue.add(key);
  }

  /** The object is gone. */
  forget(path: string): void {
    this.#wishes.delete(path);
    this.#written.delete(path);
    this.#triedAt.delete(path);
  }

  /** Writes until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#queue.run(async (key) => await this.#work(key, signal), signal);
  }

  async #work(key: string, signal: AbortSignal): Promise<WorkResult> {
    const wish = this.#wishes.get(key);
    if (wish === undefined || this.#isDone(key, wish)) return undefined;
    const { clock } = this.#options;
    const wait =
      (this.#triedAt.get(key) ?? Number.NEGATIVE_INFINITY) + WRITE_EVERY_MS - clock.now();
    if (wait > 0) return { requeueMs: Math.min(wait, WRITE_EVERY_MS) };
    // Of custom resources an API server takes a status whatever UID comes with it.
    if (this.#options.isCurrent?.(wish.target) === false) return undefined;
    this.#triedAt.set(key, clock.now());
    try {
      const version = versionOf(await this.#apply(wish, signal));
      this.#written.set(key, { text: wish.text, version });
      // What came meanwhile may be a newer sight of the object, with the same to say.
      return this.#wishes.get(key) === wish ? undefined : { requeueMs: WRITE_EVERY_MS };
    } catch (thrown) {
      return this.#afterFailure(wish, CodedError.from(thrown));
    }
  }

  #isDone(key: string, { text, status, stored }: Wish): boolean {
    const written = this.#written.get(key);
    // A watch that is behind our own write shows what was there before it.
    const isBehind =
      written !== undefined && stored !== undefined && stored.version < written.version;
    return stored === undefined || isBehind
      ? written?.text === text
      : covers(stored.status, status);
  }

  async #apply({ target, status }: Wish, signal: AbortSignal): Promise<JsonObject> {
    const { client, fieldManager, adopts = false } = this.#options;
    const { apiVersion, kind, name, uid, path } = target;
    return await client.send({
      method: 'PATCH',
      path: `${path}/status`,
      query: { fieldManager, force: String(adopts) },
      contentType: 'application/apply-patch+yaml',
      body: { apiVersion, kind, metadata: { name, uid }, status: canonical(status) },
      signal,
    });
  }

  #afterFailure({ target }: Wish, error: CodedError): WorkResult {
    if (error.code === 'not-found') {
      this.forget(target.path);
      return undefined;
    }
    // Fields of another owner, another object of the name, or a status that the schema refuses: to
    // say the same again changes nothing, so the next wish tries again.
    if (isForeignField(error)) {
      this.#options.onForeign?.(target);
      return undefined;
    }
    if (error.code === 'aborted' || error.code === 'invalid-argument') {
      this.#options.log.warn({ path: target.path, err: error }, 'A status was refused');
      return undefined;
    }
    const retryAfter = retryAfterOf(error);
    if (retryAfter > 0) return { requeueMs: Math.max(retryAfter, WRITE_EVERY_MS) };
    throw error;
  }
}
