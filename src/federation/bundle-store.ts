// The one writer of the stored bundles: each change is read, made and written as a whole, one after the
// other. What could not be stored counts for nothing, so what is known here is what others read.

import { CodedError } from '../base/errors.ts';
import { Latest } from '../base/latest.ts';
import {
  documentOf,
  type FederatedBundle,
  type FederatedBundles,
  formatFederatedBundles,
  MAX_STORE_BYTES,
  MAX_STORED_BUNDLE_BYTES,
  readFederatedBundles,
} from './federated-bundle.ts';
import { fetchError } from './fetch-failure.ts';

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

  /** Stores what `change` makes of what is stored; resolves when it is. Throws a FetchFailure. */
  async change(change: (bundles: FederatedBundles) => FederatedBundles): Promise<void> {
    const done = this.#writing.then(async () => await this.#change(change));
    this.#writing = done.catch(() => {});
    try {
      await done;
    } catch (thrown) {
      const error = CodedError.from(thrown);
      if (error.reason === 'StoreFull') throw error;
      throw fetchError('NotStored', error.message, error);
    }
  }

  async #change(change: (bundles: FederatedBundles) => FederatedBundles): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const { text, version } = await this.#documents.read();
      const before = text === undefined ? new Map() : readFederatedBundles(text);
      const next = change(before);
      const nextText = formatFederatedBundles(next);
      checkRoom(next, nextText);
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

function checkRoom(bundles: FederatedBundles, text: string): void {
  for (const { trustDomain, bundle } of bundles.values()) {
    if (Buffer.byteLength(documentOf(bundle)) > MAX_STORED_BUNDLE_BYTES) {
      throw fetchError(
        'StoreFull',
        `bundle of ${trustDomain}: over ${MAX_STORED_BUNDLE_BYTES} bytes`,
      );
    }
  }
  if (Buffer.byteLength(text) > MAX_STORE_BYTES) {
    throw fetchError('StoreFull', `all bundles: over ${MAX_STORE_BYTES} bytes`);
  }
}

/** The bundles with one more, or another one of the same trust domain. */
export function withBundle(bundles: FederatedBundles, bundle: FederatedBundle): FederatedBundles {
  return new Map(bundles).set(bundle.trustDomain, bundle);
}
