// What one rendering may cost. A template that doubles a variable, ranges over 1e9 or recurses is
// stopped while it runs, because a cap on the final output would come too late.

import { invalid } from '../base/errors.ts';
import { byteLength } from './value/go-string.ts';

/** Evaluated statements, commands, iterations; and 256 bytes that a function looks at. */
export const MAX_STEPS = 10_000;
/** Templates calling templates. */
export const MAX_DEPTH = 16;
/** Bytes of all strings made, those of the output included. */
export const MAX_BYTES = 64 * 1024;
/** printf width and precision. */
export const MAX_WIDTH = 256;

export class Budget {
  #steps = 0;
  #bytes = 0;
  #depth = 0;

  /** Counts `count` steps of evaluation. */
  step(count = 1): void {
    this.#steps += count;
    if (this.#steps > MAX_STEPS) throw invalid(`more than ${MAX_STEPS} steps`);
  }

  /** Counts the work of looking through `text`. */
  scan(text: string): void {
    if (text.length >= 256) this.step(text.length >>> 8);
  }

  /** Counts a string that was made. */
  spend(text: string): void {
    this.#bytes += byteLength(text);
    if (this.#bytes > MAX_BYTES) throw invalid(`more than ${MAX_BYTES} bytes of text made`);
  }

  enter(): void {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH)
      throw invalid(`templates call each other deeper than ${MAX_DEPTH}`);
  }

  leave(): void {
    this.#depth -= 1;
  }
}
