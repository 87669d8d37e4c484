// The file twin of the authority store, for dev mode: one file a document, mode 0600 from its first
// byte, replaced by rename after fsync. One process at a time uses a directory.

import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError } from '../../base/errors.ts';
import type { AuthorityStore, DocumentName, StoredDocument } from './authority-store.ts';

const CREATE_PRIVATE =
  constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
// Not blocking: somebody may have put a pipe there.
const OPEN_OURS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
const USABLE_BY_OTHERS = 0o077;
const WRITABLE_BY_OTHERS = 0o022;

export class FileAuthorityStore implements AuthorityStore {
  readonly #directory: string;

  constructor(directory: string) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (!isOurs(statSync(directory), WRITABLE_BY_OTHERS)) {
      throw unreadable(directory, 'others may write to the directory');
    }
    this.#directory = directory;
  }

  async read(name: DocumentName): Promise<StoredDocument | undefined> {
    const text = this.#textOf(name);
    if (text === undefined) return undefined;
    return { version: versionOf(text), value: parse(name, text) };
  }

  async exists(name: DocumentName): Promise<boolean> {
    return this.#textOf(name) !== undefined;
  }

  #textOf(name: DocumentName): string | undefined {
    let fd: number;
    try {
      fd = openSync(this.#pathOf(name), OPEN_OURS);
    } catch (thrown) {
      if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined;
      throw unreadable(name, 'it cannot be opened', thrown);
    }
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile() || !isOurs(stat, USABLE_BY_OTHERS) || stat.size > MAX_DOCUMENT_BYTES) {
        throw unreadable(name, 'not a file that we alone may use, or too large');
      }
      return readFileSync(fd, 'utf8');
    } finally {
      closeSync(fd);
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
      // All of it or an error: a full disk must not put half a document in the place of a whole one.
      writeFileSync(fd, `${JSON.stringify(value)}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    await rename(temporary, path);
    syncDirectory(this.#directory);
  }

  async remove(name: DocumentName, expected: string): Promise<void> {
    const current = await this.read(name);
    if (current?.version !== expected) {
      throw new CodedError('aborted', `authority store: ${name} has changed`);
    }
    await rm(this.#pathOf(name));
    syncDirectory(this.#directory);
  }

  #pathOf(name: DocumentName): string {
    return join(this.#directory, `${name}.json`);
  }
}

function isOurs({ uid, mode }: Stats, forbidden: number): boolean {
  return uid === process.geteuid?.() && (mode & forbidden) === 0;
}

// Without a cause: what JSON.parse throws quotes the text, and the text is made of keys.
function parse(name: DocumentName, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw unreadable(name, 'not JSON');
  }
}

function unreadable(what: string, why: string, cause?: unknown): CodedError {
  return new CodedError('failed-precondition', `authority store: ${what} cannot be read: ${why}`, {
    ...(cause === undefined ? {} : { cause }),
    reason: 'StateDamaged',
  });
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
