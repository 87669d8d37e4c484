// Kubernetes Events: for people who look at an object, never for programs. One Event an object and
// reason, counted up; so few writes that no loop of ours can flood an API server.

import { hash } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { CodedError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { WorkQueue, type WorkResult } from '../base/work-queue.ts';
import type { JsonObject } from '../template/json-value.ts';
import { type KubeClient, segment } from './kube-client.ts';
import { retryAfterOf } from './kube-error.ts';

export type EventSubject = {
  readonly apiVersion: string;
  readonly kind: string;
  /** '' for kinds without a namespace. */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
};

export type EventContent = {
  readonly type: 'Normal' | 'Warning';
  /** CamelCase. */
  readonly reason: string;
  readonly message: string;
};

export type EventRecorderOptions = {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** Such as `signet-issuer`. */
  readonly component: string;
  /** The pod that reports. */
  readonly instance: string;
};

type Series = {
  readonly subject: EventSubject;
  readonly name: string;
  readonly since: number;
  content: EventContent;
  count: number;
  at: number;
  written: number;
  writtenAt: number;
  failures: number;
};

const WRITE_EVERY_MS = 60_000;
/** API servers forget Events after an hour. */
const SERIES_LASTS_MS = 50 * 60_000;
const MAX_SERIES = 2000;
const MAX_MESSAGE = 1000;
const MAX_NAME = 200;
const MAX_FAILURES = 3;
const RETRY_MS = 20_000;
/** Over all objects together. */
const BURST = 50;
const REFILL_MS = 1000;

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #queue: WorkQueue;
  /** By object and reason, oldest first. */
  readonly #series = new Map<string, Series>();
  #tokens = BURST;
  #refilledAt: number;

  constructor(options: EventRecorderOptions) {
    const { clock, log } = options;
    this.#options = options;
    this.#refilledAt = clock.now();
    this.#queue = new WorkQueue({
      clock,
      onError: (_key, err) => log.debug({ err }, 'Failed to write an event'),
    });
  }

  /** Never fails and never waits; what is too much is counted, or left out. */
  record(subject: EventSubject, content: EventContent): void {
    const now = this.#options.clock.now();
    const key = `${subject.uid}/${content.reason}`;
    const known = this.#series.get(key);
    if (known !== undefined && now - known.since < SERIES_LASTS_MS) {
      known.content = content;
      known.count += 1;
      known.at = now;
    } else {
      this.#series.delete(key);
      this.#series.set(key, newSeries(subject, content, now));
      for (const [oldest] of this.#series) {
        if (this.#series.size <= MAX_SERIES) break;
        this.#series.delete(oldest);
      }
    }
    this.#queue.ensure(key);
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#queue.run(async (key) => await this.#work(key, signal), signal);
  }

  async #work(key: string, signal: AbortSignal): Promise<WorkResult> {
    const series = this.#series.get(key);
    if (series === undefined || series.count === series.written) return undefined;
    const now = this.#options.clock.now();
    const wait = series.writtenAt + WRITE_EVERY_MS - now;
    if (wait > 0) return { requeueMs: Math.min(wait, WRITE_EVERY_MS) };
    if (!this.#takeToken(now)) return { requeueMs: REFILL_MS };
    const { count } = series;
    try {
      await this.#write(series, signal);
      series.written = count;
      series.writtenAt = now;
      series.failures = 0;
      return series.count === count ? undefined : { requeueMs: WRITE_EVERY_MS };
    } catch (thrown) {
      const error = CodedError.from(thrown);
      series.failures += 1;
      // An Event that cannot be written is not worth more than a few tries.
      if (error.code !== 'unavailable' || series.failures >= MAX_FAILURES) {
        this.#series.delete(key);
        throw error;
      }
      return { requeueMs: Math.max(RETRY_MS, retryAfterOf(error)) };
    }
  }

  async #write(series: Series, signal: AbortSignal): Promise<void> {
    const { client } = this.#options;
    const { subject, name, count, at, content } = series;
    const collection = `/api/v1/namespaces/${segment(namespaceOf(subject))}/events`;
    if (series.written > 0) {
      const body = { count, lastTimestamp: seconds(at), message: clip(content.message) };
      const contentType = 'application/merge-patch+json';
      const path = `${collection}/${segment(name)}`;
      await client.send({ method: 'PATCH', path, contentType, body, signal });
    } else {
      await client.send({ method: 'POST', path: collection, body: this.#bodyOf(series), signal });
    }
  }

  #bodyOf({ subject, name, since, at, count, content }: Series): JsonObject {
    const { component, instance } = this.#options;
    const { namespace, ...rest } = subject;
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace: namespaceOf(subject) },
      involvedObject: { ...rest, ...(namespace === '' ? {} : { namespace }) },
      type: content.type,
      reason: content.reason,
      message: clip(content.message),
      source: { component },
      reportingComponent: component,
      reportingInstance: instance,
      firstTimestamp: seconds(since),
      lastTimestamp: seconds(at),
      count,
    };
  }

  #takeToken(now: number): boolean {
    const refill = Math.floor(Math.max(0, now - this.#refilledAt) / REFILL_MS);
    if (refill > 0 || now < this.#refilledAt) {
      this.#tokens = Math.min(BURST, this.#tokens + refill);
      this.#refilledAt = now;
    }
    if (this.#tokens === 0) return false;
    this.#tokens -= 1;
    return true;
  }
}

function newSeries(subject: EventSubject, content: EventContent, now: number): Series {
  const id = hash('sha256', `${subject.uid} ${content.reason} ${now}`, 'hex').slice(0, 16);
  return {
    subject,
    name: `${subject.name.slice(0, MAX_NAME)}.${id}`,
    since: now,
    content,
    count: 1,
    at: now,
    written: 0,
    writtenAt: Number.NEGATIVE_INFINITY,
    failures: 0,
  };
}

/** Events about objects without a namespace live in `default`. */
function namespaceOf({ namespace }: EventSubject): string {
  return namespace || 'default';
}

function seconds(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

function clip(message: string): string {
  return message.length <= MAX_MESSAGE ? message : `${message.slice(0, MAX_MESSAGE)}…`;
}
