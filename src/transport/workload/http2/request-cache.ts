// Requests by their header blocks. A client that asks again sends the same few bytes, all of them
// indices: while the decoder's table stays as it is, they mean the same request.

import { RecentBytes } from '../../../base/recent-bytes.ts';
import type { HeaderBlocks } from './header-block.ts';

export class RequestCache<R> {
  readonly #blocks: HeaderBlocks;
  readonly #requests = new RecentBytes<R>();
  #generation = 0;

  constructor(blocks: HeaderBlocks) {
    this.#blocks = blocks;
  }

  find(block: Buffer): R | undefined {
    if (this.#generation !== this.#blocks.generation) return undefined;
    return this.#requests.find(block);
  }

  /** `generation` is the table's before the block was decoded; one that changed it is not kept. */
  keep(block: Buffer, request: R, generation: number): void {
    if (generation !== this.#blocks.generation) return;
    if (this.#generation !== generation) {
      this.#generation = generation;
      this.#requests.clear();
    }
    this.#requests.keep(block, request);
  }
}
