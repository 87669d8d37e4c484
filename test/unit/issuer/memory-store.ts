// An authority store in memory that can be told to fail before, or after, its n-th write.

import { CodedError } from '../../../src/base/errors.ts';
import type {
  AuthorityStore,
  DocumentName,
  StoredDocument,
} from '../../../src/issuer/authority/authority-store.ts';

export class MemoryStore implements AuthorityStore {
  readonly documents = new Map<DocumentName, { version: number; text: string }>();
  operations = 0;
  /** Called before and after each operation; what it throws is what the operation throws. */
  onOperation: (when: 'before' | 'after', operation: number, name: DocumentName) => void = () => {};

  async read(name: DocumentName): Promise<StoredDocument | undefined> {
    const operation = this.#begin(name);
    const found = this.documents.get(name);
    this.onOperation('after', operation, name);
    return found && { version: String(found.version), value: JSON.parse(found.text) };
  }

  async exists(name: DocumentName): Promise<boolean> {
    return this.documents.has(name);
  }

  async write(name: DocumentName, value: unknown, expected: string | undefined): Promise<void> {
    const operation = this.#begin(name);
    const current = this.documents.get(name);
    if ((current && String(current.version)) !== expected) {
      throw new CodedError('aborted', `${name} has changed`);
    }
    const version = (current?.version ?? 0) + 1;
    this.documents.set(name, { version, text: JSON.stringify(value) });
    this.onOperation('after', operation, name);
  }

  async remove(name: DocumentName, expected: string): Promise<void> {
    const operation = this.#begin(name);
    const current = this.documents.get(name);
    if ((current && String(current.version)) !== expected) {
      throw new CodedError('aborted', `${name} has changed`);
    }
    this.documents.delete(name);
    this.onOperation('after', operation, name);
  }

  #begin(name: DocumentName): number {
    this.operations += 1;
    this.onOperation('before', this.operations, name);
    return this.operations;
  }
}

/** The same store for a role that may create the key of the standby root and not read it. */
export class BlindStore implements AuthorityStore {
  readonly #store: MemoryStore;

  constructor(store: MemoryStore) {
    this.#store = store;
  }

  async read(name: DocumentName): Promise<StoredDocument | undefined> {
    if (name === 'standby-root-key') throw forbidden();
    return await this.#store.read(name);
  }

  async exists(name: DocumentName): Promise<boolean> {
    return await this.#store.exists(name);
  }

  async write(name: DocumentName, value: unknown, expected: string | undefined): Promise<void> {
    if (name === 'standby-root-key' && expected !== undefined) throw forbidden();
    await this.#store.write(name, value, expected);
  }

  async remove(name: DocumentName, expected: string): Promise<void> {
    if (name === 'standby-root-key') throw forbidden();
    await this.#store.remove(name, expected);
  }
}

function forbidden(): CodedError {
  return new CodedError('permission-denied', 'standby-root-key: forbidden');
}
