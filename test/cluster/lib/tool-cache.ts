// What takes long to make is made once: kept under the user's cache folder by a hash of everything it
// is made from, written beside and renamed, so that a half-made one is never found.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';

const CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'signet-cluster');

export type Recipe = {
  readonly name: string;
  /** Everything the result depends on, besides `files`. */
  readonly from: readonly string[];
  readonly files?: readonly string[];
  /** Writes the result to `target`; `scratch` is an empty folder that goes away. */
  readonly make: (target: string, scratch: string) => Promise<void>;
};

/** The path of what the recipe makes. */
export async function cached(recipe: Recipe): Promise<string> {
  const directory = join(CACHE, `${recipe.name}-${keyOf(recipe)}`);
  const target = join(directory, recipe.name);
  if (existsSync(target)) return target;
  mkdirSync(directory, { recursive: true });
  const scratch = mkdtempSync(join(directory, 'making-'));
  try {
    const made = join(scratch, recipe.name);
    await recipe.make(made, scratch);
    renameSync(made, target);
  } catch (thrown) {
    // Somebody else was faster.
    if (!existsSync(target)) throw thrown;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return target;
}

function keyOf({ from, files = [] }: Recipe): string {
  const hash = createHash('sha256').update(JSON.stringify(from));
  for (const file of files) hash.update(`\0${basename(file)}\0`).update(readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}
