// The one writer of the stored bundles: each change is read, made and written as a whole, one after the
// other. What could not be stored counts for nothing, so what is known here is what others read.

import { CodedError } from '../base/errors.ts';
import { Latest } from '../base/latest.ts';
import {
  documentOf,
  type FederatedBundle,
  type FederatedBundles,
  formatFederatedBundles,
  MAX_LARGE_BYTES,
  MAX_ORDINARY_BUNDLE_BYTES,
  MAX_STORE_BYTES,
  MAX_STORED_BUNDLE_BYTES,
  readFederatedBundles,
} from './federated-bundle.ts';
import { fetchError, isFetchError } from './fetch-failure.ts';

/** Where the document is: replaced only by whoever has read its newest version. */
export type DocumentStore = {
  /** `text` is undefined while there is none. */
  read(): Promise<{ readonly text: string | undefined; readonly version: string }>;
  /** Throws `aborted` when `expected` is not the newest version. */
  write(text: string, expected: string): Promise<void>;
};

const ATTEMPTS = 5;

export class BundleStore {
  /** Set with every change; empty before the first `load`. */
  readonly current = new Latest<FederatedBundles>();
  readonly #documents: DocumentStore;
  #writing: Promise<void> = Promise.resolve();

  constructor(documents: DocumentStore) {
    this.#documents = documents;
  }

  get bundles(): FederatedBundles {
    return this.current.value ?? new Map();
  }

  /** Throws `failed-precondition` for a document that must not be taken for an empty one. */
  async load(): Promise<void> {
    await this.#change((bundles) => bundles);
  }

  /**
   * Stores what `change` makes of what is stored, asked again whenever that turns out to be something
   * else; resolves when it is. Throws a FetchFailure.
   */
  async change(change: (bundles: FederatedBundles) => FederatedBundles): Promise<void> {
    const done = this.#writing.then(async () => await this.#change(change));
    this.#writing = done.catch(() => {});
    try {
      await done;
    } catch (thrown) {
      // What `change` itself refuses keeps its reason.
      if (isFetchError(thrown)) throw thrown;
      const error = CodedError.from(thrown);
      throw fetchError('NotStored', error.message, error);
    }
  }

  async #change(change: (bundles: FederatedBundles) => FederatedBundles): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const { text, version } = await this.#documents.read();
      const before = text === undefined ? new Map() : readFederatedBundles(text);
      const next = change(before);
      const nextText = formatFederatedBundles(next);
      checkRoom(before, next, nextText);
      try {
        if (nextText !== (text ?? formatFederatedBundles(new Map()))) {
          await this.#documents.write(nextText, version);
        }
        this.#show(next);
        return;
      } catch (thrown) {
        const isLost = CodedError.from(thrown).code === 'aborted';
        if (!isLost || attempt === ATTEMPTS) throw thrown;
      }
    }
  }

  #show(next: FederatedBundles): void {
    const { value } = this.current;
    const isSame =
      value !== undefined && formatFederatedBundles(value) === formatFederatedBundles(next);
    if (!isSame) this.current.set(next);
  }
}

function checkRoom(before: FederatedBundles, next: FederatedBundles, text: string): void {
  const sizes = sizesOf(next);
  const [largest] = sizes;
  if (largest !== undefined && largest.bytes > MAX_STORED_BUNDLE_BYTES) {
    const { trustDomain } = largest;
    throw fetchError(
      'StoreFull',
      `bundle of ${trustDomain}: over ${MAX_STORED_BUNDLE_BYTES} bytes`,
    );
  }
  const took = sizes.slice(0, 8).map(({ trustDomain, bytes }) => `${trustDomain} ${bytes}`);
  const most = `the most is taken by ${took.join(', ')}`;
  const large = bytesOfLarge(sizes);
  // What makes them smaller is always stored: it may take away what must not be trusted.
  if (large > MAX_LARGE_BYTES && large > bytesOfLarge(sizesOf(before))) {
    const what = `bundles over ${MAX_ORDINARY_BUNDLE_BYTES} bytes`;
    throw fetchError('StoreFull', `${what}: over ${MAX_LARGE_BYTES} bytes together; ${most}`);
  }
  if (Buffer.byteLength(text) > MAX_STORE_BYTES) {
    throw fetchError('StoreFull', `all bundles: over ${MAX_STORE_BYTES} bytes; ${most}`);
  }
}

type Size = { readonly trustDomain: string; readonly bytes: number };

/** Largest first. */
function sizesOf(bundles: FederatedBundles): readonly Size[] {
  return Array.from(bundles.values(), ({ trustDomain, bundle }) => ({
    trustDomain,
    bytes: Buffer.byteLength(documentOf(bundle)),
  })).toSorted((a, b) => b.bytes - a.bytes);
}

function bytesOfLarge(sizes: readonly Size[]): number {
  return sizes.reduce(
    (sum, { bytes }) => (bytes > MAX_ORDINARY_BUNDLE_BYTES ? sum + bytes : sum),
    0,
  );
}

/** The bundles with one more, or another one of the same trust domain. */
export function withBundle(bundles: FederatedBundles, bundle: FederatedBundle): FederatedBundles {
  return new Map(bundles).set(bundle.trustDomain, bundle);
}
