// All objects of one kind at one resource version, consistent: as a watch list where the API server
// takes part, else as a list in pages. Either all of it, or an error.

import { CodedError } from '../../base/errors.ts';
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  ownValue,
} from '../../template/json-value.ts';
import type { KubeClient } from '../kube-client.ts';
import { keyOfObject, metadataOf, metadataText, type ObjectKey, versionOf } from '../object-key.ts';
import { type WatchEvent, watchEvents } from './watch-events.ts';

export type ListedObject = {
  readonly key: ObjectKey;
  readonly version: bigint;
  /** As the projection left it. */
  readonly object: JsonObject;
};

export type InitialSet = {
  /** By `namespace/name`. */
  readonly objects: ReadonlyMap<string, ListedObject>;
  readonly version: bigint;
};

/** What is kept of an object as soon as it is read. */
export type Projection = (object: JsonObject) => JsonObject;

export type SetReader = {
  readonly client: KubeClient;
  readonly path: string;
  readonly projection: Projection;
  readonly pageSize: number;
  readonly signal: AbortSignal;
  /** Called whenever something came, so that a stall shows. */
  readonly onProgress: () => void;
};

export const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';
const MAX_PAGES = 100_000;

export const WATCH_LIST_QUERY: Readonly<Record<string, string>> = {
  watch: 'true',
  sendInitialEvents: 'true',
  resourceVersionMatch: 'NotOlderThan',
  // Unset: as new as the newest write, never what a cache happens to hold.
  resourceVersion: '',
  allowWatchBookmarks: 'true',
};

export function textKey({ namespace, name }: ObjectKey): string {
  return `${namespace}/${name}`;
}

/** A consistent list. Throws what the client throws; nothing of a list that broke off is used. */
export async function readList(reader: SetReader): Promise<InitialSet> {
  const { client, path, projection, pageSize, signal, onProgress } = reader;
  const objects = new Map<string, ListedObject>();
  let next = '';
  let version: bigint | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const limit = String(pageSize);
    const query = next === '' ? { limit } : { limit, continue: next };
    const list = await client.send({ method: 'GET', path, query, signal });
    onProgress();
    for (const object of itemsOf(list, path)) {
      const listed = toListed(object, projection);
      objects.set(textKey(listed.key), listed);
    }
    // Later pages come from the snapshot of the first, or later where the API server says so.
    version = versionOf(list);
    const after = metadataText(list, 'continue');
    if (after === '') return { objects, version };
    if (after === next) break;
    next = after;
  }
  throw new CodedError('unavailable', `GET ${path}: the list has no end`);
}

/** Reads the events of a watch list up to the end of its initial set. */
export async function readWatchList(
  events: AsyncIterator<WatchEvent>,
  reader: Pick<SetReader, 'path' | 'projection' | 'onProgress'>,
): Promise<InitialSet> {
  const objects = new Map<string, ListedObject>();
  for (;;) {
    const next = await events.next();
    if (next.done === true) {
      throw new CodedError('unavailable', `WATCH ${reader.path}: it ended in its initial set`);
    }
    reader.onProgress();
    const { type, object } = next.value;
    if (type === 'BOOKMARK') {
      if (isInitialEnd(object)) return { objects, version: versionOf(object) };
      continue;
    }
    const listed = toListed(object, reader.projection);
    if (type === 'DELETED') objects.delete(textKey(listed.key));
    else objects.set(textKey(listed.key), listed);
  }
}

/** Opens a watch as events; the query says from where. */
export async function openWatch(
  client: KubeClient,
  request: { path: string; query: Readonly<Record<string, string>>; signal: AbortSignal },
): Promise<AsyncGenerator<WatchEvent, void, undefined>> {
  const bytes = await client.stream({ method: 'GET', ...request });
  return watchEvents(bytes, `WATCH ${request.path}`);
}

export function toListed(object: JsonObject, projection: Projection): ListedObject {
  return { key: keyOfObject(object), version: versionOf(object), object: projection(object) };
}

function isInitialEnd(object: JsonObject): boolean {
  const annotations = ownValue(metadataOf(object), 'annotations');
  return isJsonObject(annotations) && ownValue(annotations, INITIAL_EVENTS_END) === 'true';
}

function itemsOf(list: JsonObject, path: string): readonly JsonObject[] {
  const items: JsonValue | undefined = ownValue(list, 'items');
  // Go writes an empty list as null.
  if (items === null) return [];
  if (!Array.isArray(items) || !items.every(isJsonObject)) {
    throw new CodedError('unavailable', `GET ${path}: the answer is not a list`);
  }
  return items as readonly JsonObject[];
}
