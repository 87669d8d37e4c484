// What the main thread and the thread under test say to each other.

export type WorkerOrder = {
  /** A module that exports `TARGETS`. */
  readonly module: string;
  readonly target: string;
  readonly seed: number;
  /** Ends after whichever comes first. */
  readonly milliseconds: number;
  readonly executions: number;
  readonly shared: SharedArrayBuffer;
  /** Run this one input and nothing else. */
  readonly replay?: Uint8Array;
};

export type WorkerReport = {
  readonly executions: number;
  /** Inputs kept, because each executed something new. */
  readonly corpus: number;
  /** Blocks of `src` executed. */
  readonly blocks: number;
  /** Heap after collection, less the heap after warming up. */
  readonly growthBytes: number;
  /** Of the last input alone, where it was replayed. */
  readonly cpuMs: number;
  /** What was thrown for the input in shared memory. */
  readonly crash?: string;
};

const HEADER_BYTES = 8;

/** The input that runs now, in memory that both threads see. */
export class CurrentInput {
  readonly #header: Int32Array;
  readonly #data: Uint8Array;
  readonly shared: SharedArrayBuffer;

  constructor(shared: SharedArrayBuffer) {
    this.shared = shared;
    this.#header = new Int32Array(shared, 0, 2);
    this.#data = new Uint8Array(shared, HEADER_BYTES);
  }

  static ofBytes(maxBytes: number): CurrentInput {
    return new CurrentInput(new SharedArrayBuffer(HEADER_BYTES + maxBytes));
  }

  /** Rises with every input; 0 before the first. */
  get count(): number {
    return Atomics.load(this.#header, 0);
  }

  set(input: Uint8Array): void {
    this.#data.set(input);
    this.#header[1] = input.length;
    Atomics.add(this.#header, 0, 1);
  }

  get(): Uint8Array {
    return new Uint8Array(this.#data.subarray(0, this.#header[1]));
  }
}
