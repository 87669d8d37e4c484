// Requests by their header blocks. A client that asks again sends the same few bytes, all of them
// indices: while the decoder's table stays as it is, they mean the same request.

import type { HeaderBlocks } from './header-block.ts';

const MAX_ENTRIES = 4;
/** Blocks that consist of indices are short. */
const MAX_BLOCK_BYTES = 128;

export class RequestCache<R> {
  readonly #blocks: HeaderBlocks;
  #entries: { readonly block: Buffer; readonly request: R }[] = [];
  #generation = 0;
  #next = 0;

  constructor(blocks: HeaderBlocks) {
    this.#blocks = blocks;
  }

  find(block: Buffer): R | undefined {
    if (this.#generation !== this.#blocks.generation) return undefined;
    for (const entry of this.#entries) if (entry.block.equals(block)) return entry.request;
    return undefined;
  }

  /** `generation` is the table's before the block was decoded; one that changed it is not kept. */
  keep(block: Buffer, request: R, generation: number): void {
    if (generation !== this.#blocks.generation || block.length > MAX_BLOCK_BYTES) return;
    if (this.#generation !== generation) {
      this.#generation = generation;
      this.#entries = [];
      this.#next = 0;
    }
    this.#entries[this.#next] = { block: Buffer.from(block), request };
    this.#next = (this.#next + 1) % MAX_ENTRIES;
  }
}
