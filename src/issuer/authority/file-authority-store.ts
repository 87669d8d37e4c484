// The file twin of the authority store, for dev mode: one file a document, mode 0600 from its first
// byte, replaced by rename after fsync. One process at a time uses a directory.

import { createHash } from 'node:crypto';
import { closeSync, constants, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError } from '../../base/errors.ts';
import type { AuthorityStore, DocumentName, StoredDocument } from './authority-store.ts';

const CREATE_PRIVATE =
  constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

export class FileAuthorityStore implements AuthorityStore {
  readonly #directory: string;

  constructor(directory: string) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#directory = directory;
  }

  async read(name: DocumentName): Promise<StoredDocument | undefined> {
    try {
      const text = await readFile(this.#pathOf(name), 'utf8');
      return { version: versionOf(text), value: JSON.parse(text) };
    } catch (thrown) {
      if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined;
      throw new CodedError('failed-precondition', `authority store: ${name} cannot be read`, {
        cause: thrown,
        reason: 'StateDamaged',
      });
    }
  }

  async write(name: DocumentName, value: unknown, expected: string | undefined): Promise<void> {
    const current = await this.read(name);
    if (current?.version !== expected) {
      throw new CodedError('aborted', `authority store: ${name} has changed`);
    }
    const path = this.#pathOf(name);
    const temporary = `${path}.tmp`;
    await rm(temporary, { force: true });
    const fd = openSync(temporary, CREATE_PRIVATE, 0o600);
    try {
      writeSync(fd, `${JSON.stringify(value)}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    await rename(temporary, path);
    syncDirectory(this.#directory);
  }

  #pathOf(name: DocumentName): string {
    return join(this.#directory, `${name}.json`);
  }
}

function versionOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function syncDirectory(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
