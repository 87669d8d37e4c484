// The ClusterStaticEntries that are ours to serve, and what each comes to. An entry can depend on
// others: on those that give its parent to nodes, and on those that say the same.

import { addTo, type MultiMap, removeFrom } from '../base/multi-map.ts';
import type { ClusterStaticEntry } from '../crds/cluster-static-entry.ts';
import { compareAge } from './policy.ts';
import type { IdentitySettings } from './settings.ts';
import { isAlias, type Standing, standingOf } from './static-entry.ts';

export type KnownEntry = { readonly entry: ClusterStaticEntry; readonly standing: Standing };

export class StaticEntries {
  readonly #settings: IdentitySettings;
  readonly #known = new Map<string, KnownEntry>();
  /** By SPIFFE ID, those that name nodes. */
  readonly #aliases: MultiMap<string, string> = new Map();
  readonly #children: MultiMap<string, string> = new Map();
  /** By what upstream tells entries apart by. */
  readonly #same: MultiMap<string, string> = new Map();

  constructor(settings: IdentitySettings) {
    this.#settings = settings;
  }

  get(name: string): KnownEntry | undefined {
    return this.#known.get(name);
  }

  /** Sets or, with undefined, removes one; returns the names whose standing is to be looked at. */
  set(name: string, entry: ClusterStaticEntry | undefined): ReadonlySet<string> {
    const concerned = new Set([name]);
    const before = this.#known.get(name);
    if (before !== undefined) this.#unlink(name, before.entry, concerned);
    if (entry === undefined) this.#known.delete(name);
    else this.#link(name, entry, concerned);
    for (const each of concerned) {
      const known = this.#known.get(each);
      if (each !== name && known !== undefined) this.#judge(each, known.entry);
    }
    return concerned;
  }

  /** Whether another one says the same and is older (compatibility R3). */
  isMasked(name: string): boolean {
    const entry = this.#known.get(name)?.entry;
    if (entry === undefined) return false;
    for (const other of this.#same.get(sameKey(entry)) ?? []) {
      const rival = this.#known.get(other)?.entry;
      if (rival !== undefined && compareAge(rival, entry) < 0) return true;
    }
    return false;
  }

  #link(name: string, entry: ClusterStaticEntry, concerned: Set<string>): void {
    addTo(this.#children, entry.parentId, name);
    addTo(this.#same, sameKey(entry), name);
    this.#judge(name, entry);
    if (!isAlias(entry, this.#settings)) return;
    addTo(this.#aliases, entry.spiffeId, name);
    this.#addChildren(entry, concerned);
  }

  #unlink(name: string, entry: ClusterStaticEntry, concerned: Set<string>): void {
    removeFrom(this.#children, entry.parentId, name);
    removeFrom(this.#same, sameKey(entry), name);
    if (!isAlias(entry, this.#settings)) return;
    removeFrom(this.#aliases, entry.spiffeId, name);
    this.#addChildren(entry, concerned);
  }

  #addChildren({ spiffeId }: ClusterStaticEntry, concerned: Set<string>): void {
    for (const child of this.#children.get(spiffeId) ?? []) concerned.add(child);
  }

  #judge(name: string, entry: ClusterStaticEntry): void {
    const aliases = [...(this.#aliases.get(entry.parentId) ?? [])].flatMap((alias) => {
      const standing = this.#known.get(alias)?.standing;
      return standing?.kind === 'alias' && standing.rule !== undefined ? [standing.rule] : [];
    });
    this.#known.set(name, { entry, standing: standingOf(entry, aliases, this.#settings) });
  }
}

function sameKey({ spiffeId, parentId, selectors }: ClusterStaticEntry): string {
  return JSON.stringify([spiffeId, parentId, selectors.toSorted()]);
}
