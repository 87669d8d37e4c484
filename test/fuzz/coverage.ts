// Which blocks of `src` were executed, as V8 counts them for this thread.

import { type Profiler, Session } from 'node:inspector';

const SOURCES = /\/src\/[^?]+\.ts$/;

export class Coverage {
  readonly #session = new Session();
  readonly #seen = new Set<string>();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Blocks seen so far. */
  get size(): number {
    return this.#seen.size;
  }

  /** Blocks executed since the last question that were never executed before. */
  fresh(): readonly string[] {
    return this.#take().filter((block) => !this.#seen.has(block));
  }

  note(blocks: readonly string[]): void {
    for (const block of blocks) this.#seen.add(block);
  }

  close(): void {
    this.#session.disconnect();
  }

  #take(): readonly string[] {
    let blocks: readonly string[] = [];
    // Answered before `post` returns: the inspector of the own thread.
    this.#session.post('Profiler.takePreciseCoverage', (problem, { result } = { result: [] }) => {
      if (problem !== null) throw new Error('no coverage', { cause: problem });
      blocks = executed(result);
    });
    return blocks;
  }
}

function executed(scripts: readonly Profiler.ScriptCoverage[]): readonly string[] {
  const blocks: string[] = [];
  for (const { url, scriptId, functions } of scripts) {
    if (!SOURCES.test(url)) continue;
    for (const { ranges } of functions) {
      for (const { startOffset, endOffset, count } of ranges) {
        if (count > 0) blocks.push(`${scriptId}:${startOffset}:${endOffset}`);
      }
    }
  }
  return blocks;
}
