// The lines of one pod, followed once from the start: what comes after what was seen, without reading
// everything again.

import { type Line, parseLines } from './agent-pod.ts';
import type { Cluster } from './cluster.ts';
import { type Pod, podPath } from './kube-object.ts';

const LINE_MS = 15_000;

export class LineFeed {
  readonly #lines: Line[] = [];
  readonly #stop = new AbortController();
  #next = 0;
  #wake: () => void = () => {};
  #failure: Error | undefined;

  /** Of a pod with several containers, the one named. */
  constructor(cluster: Cluster, { metadata }: Pod, container?: string) {
    const log = `${podPath(metadata.namespace ?? '', metadata.name ?? '')}/log?follow=true`;
    const path = container === undefined ? log : `${log}&container=${container}`;
    void this.#read(cluster, path);
  }

  /** All so far. */
  get lines(): readonly Line[] {
    return this.#lines;
  }

  /** The next line that the predicate accepts; those before it are passed over. */
  async next(accepts: (line: Line) => boolean, timeoutMs = LINE_MS): Promise<Line> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      while (this.#next < this.#lines.length) {
        const line = this.#lines[this.#next];
        this.#next += 1;
        if (line !== undefined && accepts(line)) return line;
      }
      if (this.#failure !== undefined) throw this.#failure;
      const left = deadline - performance.now();
      if (left <= 0) {
        const last = JSON.stringify(this.#lines.slice(-3));
        throw new Error(`waited ${timeoutMs} ms for a line; last: ${last}`);
      }
      await this.#more(left);
    }
  }

  close(): void {
    this.#stop.abort();
  }

  async #more(limitMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      this.#wake = (): void => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #read(cluster: Cluster, path: string): Promise<void> {
    try {
      for await (const text of cluster.api.follow(path, this.#stop.signal)) {
        this.#lines.push(...parseLines(text));
        this.#wake();
      }
      this.#failure = new Error(`the log ended: ${path}`);
    } catch (thrown) {
      this.#failure = thrown instanceof Error ? thrown : new Error(String(thrown));
    }
    this.#wake();
  }
}
