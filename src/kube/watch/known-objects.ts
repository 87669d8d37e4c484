// What a reflector has delivered, as little of it as it takes to tell what a later complete set
// changes: names and resource versions.

import type { JsonObject } from '../../template/json-value.ts';
import type { ObjectKey } from '../object-key.ts';
import { type InitialSet, type ListedObject, textKey } from './initial-set.ts';

/** An object that is now so, or, without one, gone. */
export type KubeChange = ObjectKey & { readonly object: JsonObject | undefined };

export class KnownObjects {
  readonly #versions = new Map<string, { readonly key: ObjectKey; readonly version: bigint }>();

  /**
   * Takes a complete set and gives what differs. `isWhole`: all of it, because what is kept of
   * objects has changed.
   */
  replace({ objects }: InitialSet, isWhole: boolean): readonly KubeChange[] {
    const changes: KubeChange[] = [];
    for (const [text, { key }] of this.#versions) {
      if (!objects.has(text)) changes.push({ ...key, object: undefined });
    }
    for (const [text, { key, version, object }] of objects) {
      const isSame = this.#versions.get(text)?.version === version;
      if (isWhole || !isSame) changes.push({ ...key, object });
    }
    this.#versions.clear();
    for (const [text, { key, version }] of objects) this.#versions.set(text, { key, version });
    return changes;
  }

  set({ key, version, object }: ListedObject): KubeChange {
    this.#versions.set(textKey(key), { key, version });
    return { ...key, object };
  }

  delete({ key }: ListedObject): KubeChange {
    this.#versions.delete(textKey(key));
    return { ...key, object: undefined };
  }
}
