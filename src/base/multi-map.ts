// Maps from a key to a set of values; a key without values is not kept.

export type MultiMap<K, V> = Map<K, Set<V>>;

export function addTo<K, V>(map: MultiMap<K, V>, key: K, value: V): void {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([value]));
  else set.add(value);
}

export function removeFrom<K, V>(map: MultiMap<K, V>, key: K, value: V): void {
  const set = map.get(key);
  set?.delete(value);
  if (set?.size === 0) map.delete(key);
}
