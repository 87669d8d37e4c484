// An access policy in a file that may be replaced at any moment, as a mounted ConfigMap is. What does
// not parse changes nothing: the last good policy stays in force, and whoever asked to be told is.

import { closeSync, fstatSync, openSync, readFileSync, statSync } from 'node:fs';
import type { AccessPolicy } from '../../src/access/access-policy.ts';
import {
  MAX_ACCESS_POLICY_BYTES,
  type ReadAccessPolicy,
  readAccessPolicy,
} from '../../src/access/access-policy-text.ts';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { CodedError, invalid } from '../../src/base/errors.ts';

export type AccessPolicyFileOptions = {
  /** How often to look, milliseconds; default: 1000. */
  readonly lookEveryMs?: number;
  /** Told of a new policy, and of one that was not taken. */
  readonly onReload?: (digest: string) => void;
  readonly onError?: (error: CodedError) => void;
  readonly clock?: Clock;
};

const LOOK_EVERY_MS = 1000;

export class AccessPolicyFile {
  readonly #path: string;
  readonly #options: AccessPolicyFileOptions;
  readonly #stop = new AbortController();
  #read: ReadAccessPolicy;
  #seen: string;

  private constructor(path: string, options: AccessPolicyFileOptions) {
    this.#path = path;
    this.#options = options;
    const { text, version } = load(path);
    this.#read = readAccessPolicy(text);
    this.#seen = version;
    void this.#follow();
  }

  /** Throws `invalid-argument` when there is no policy to begin with; it would allow nothing. */
  static open(path: string, options: AccessPolicyFileOptions = {}): AccessPolicyFile {
    return new AccessPolicyFile(path, options);
  }

  get policy(): AccessPolicy {
    return this.#read.policy;
  }

  /** SHA-256 of the text in force, hexadecimal. */
  get digest(): string {
    return this.#read.digest;
  }

  /** No more looking; the policy in force stays. */
  close(): void {
    this.#stop.abort();
  }

  async #follow(): Promise<void> {
    const { clock = systemClock, lookEveryMs = LOOK_EVERY_MS } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await clock.sleep(lookEveryMs, signal);
      if (!signal.aborted) this.#look();
    }
  }

  #look(): void {
    try {
      if (versionOf(statSync(this.#path)) === this.#seen) return;
      const { text, version } = load(this.#path);
      this.#seen = version;
      const read = readAccessPolicy(text);
      if (read.digest === this.#read.digest) return;
      this.#read = read;
      this.#options.onReload?.(read.digest);
    } catch (thrown) {
      this.#options.onError?.(CodedError.from(thrown));
    }
  }
}

/** Another file, or the same one written again. */
function versionOf({ dev, ino, size, mtimeMs, ctimeMs }: ReturnType<typeof statSync> & {}): string {
  return `${dev}:${ino}:${size}:${mtimeMs}:${ctimeMs}`;
}

function load(path: string): { readonly text: string; readonly version: string } {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (thrown) {
    throw invalid(`${path}: cannot be read`, thrown);
  }
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw invalid(`${path}: not a file`);
    if (stat.size > MAX_ACCESS_POLICY_BYTES) {
      throw invalid(`${path}: ${stat.size} bytes exceed ${MAX_ACCESS_POLICY_BYTES}`);
    }
    return { text: readFileSync(file, 'utf8'), version: versionOf(stat) };
  } finally {
    closeSync(file);
  }
}
