import { Duplex } from 'node:stream';

/** A connection that is told to end and never says that it has. */
export class Lingering extends Duplex {
  readonly #inner: Duplex;
  readonly ended = Promise.withResolvers<void>();

  constructor(inner: Duplex) {
    super();
    this.#inner = inner;
    inner.on('data', (part: Buffer) => this.push(part));
  }

  override _read(): void {}

  override _write(part: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#inner.write(part, done);
  }

  override _destroy(): void {
    this.ended.resolve();
  }
}
