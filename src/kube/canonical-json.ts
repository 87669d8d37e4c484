// JSON with members in one order, so that equal values are equal texts.

import { isJsonObject, type JsonObject, type JsonValue, ownValue } from '../template/json-value.ts';

export function canonical(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(canonical);
  if (!isJsonObject(value)) return value;
  const sorted: [string, JsonValue][] = [];
  for (const key of Object.keys(value).toSorted()) {
    const member = ownValue(value, key);
    if (member !== undefined) sorted.push([key, canonical(member)]);
  }
  return Object.fromEntries(sorted);
}

export function canonicalText(value: JsonValue): string {
  return JSON.stringify(canonical(value));
}

/** Whether every member of `part` is the same in `whole`. */
export function covers(whole: JsonObject, part: JsonObject): boolean {
  return Object.keys(part).every((key) => {
    const mine = ownValue(part, key);
    const theirs = ownValue(whole, key);
    if (mine === undefined) return true;
    if (theirs === undefined) return false;
    if (isJsonObject(mine) && isJsonObject(theirs)) return covers(theirs, mine);
    return canonicalText(mine) === canonicalText(theirs);
  });
}
