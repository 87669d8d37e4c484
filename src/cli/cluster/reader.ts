// Reads of a cluster: an object that may be missing, a list page by page. Nothing here writes.

import { CodedError } from '../../base/errors.ts';
import type { KubeClient } from '../../kube/kube-client.ts';
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  ownValue,
} from '../../template/json-value.ts';

const PAGE = 500;
/** 100,000 objects: more is a mistake of the question. */
const MAX_PAGES = 200;

export class ClusterReader {
  readonly #client: KubeClient;
  readonly #signal: AbortSignal;

  constructor(client: KubeClient, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  /** Undefined when it is not there; throws what else the client throws. */
  async get(path: string): Promise<JsonObject | undefined> {
    try {
      return await this.#client.send({ method: 'GET', path, signal: this.#signal });
    } catch (thrown) {
      if (CodedError.from(thrown).code === 'not-found') return undefined;
      throw thrown;
    }
  }

  /** The objects of a collection; undefined when the API server does not serve it. */
  async list(
    path: string,
    query: Readonly<Record<string, string>> = {},
  ): Promise<readonly JsonObject[] | undefined> {
    const found: JsonObject[] = [];
    for await (const page of this.pages(path, query)) {
      if (page === undefined) return undefined;
      found.push(...page);
    }
    return found;
  }

  /** The same, a page at a time, for what is many. */
  async *pages(
    path: string,
    query: Readonly<Record<string, string>> = {},
  ): AsyncGenerator<readonly JsonObject[] | undefined, void, undefined> {
    let next = '';
    for (let page = 0; page < MAX_PAGES; page += 1) {
      let answer: JsonObject;
      try {
        answer = await this.#client.send({
          method: 'GET',
          path,
          query: { ...query, limit: String(PAGE), ...(next === '' ? {} : { continue: next }) },
          signal: this.#signal,
        });
      } catch (thrown) {
        if (CodedError.from(thrown).code !== 'not-found') throw thrown;
        yield undefined;
        return;
      }
      yield objectsIn(answer, 'items');
      next = textAt(answer, 'metadata', 'continue');
      if (next === '') return;
    }
    throw new CodedError('resource-exhausted', `GET ${path}: over ${PAGE * MAX_PAGES} objects`);
  }
}

/** The objects in a list of an object. */
export function objectsIn(object: JsonObject, key: string): readonly JsonObject[] {
  const value = ownValue(object, key);
  return Array.isArray(value) ? (value as readonly JsonValue[]).filter(isJsonObject) : [];
}

/** The texts in a list of an object. */
export function textsIn(object: JsonObject, key: string): readonly string[] {
  const value = ownValue(object, key);
  if (!Array.isArray(value)) return [];
  return (value as readonly JsonValue[]).filter((each) => typeof each === 'string');
}

/** What stands at the end of a path of names; undefined when there is nothing. */
export function valueAt(object: JsonObject, ...names: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = object;
  for (const name of names) value = isJsonObject(value) ? ownValue(value, name) : undefined;
  return value;
}

export function objectAt(object: JsonObject, ...names: readonly string[]): JsonObject {
  const value = valueAt(object, ...names);
  return isJsonObject(value) ? value : {};
}

export function textAt(object: JsonObject, ...names: readonly string[]): string {
  const value = valueAt(object, ...names);
  return typeof value === 'string' ? value : '';
}

export function numberAt(object: JsonObject, ...names: readonly string[]): number {
  const value = valueAt(object, ...names);
  return typeof value === 'number' ? value : 0;
}

export function nameOf(object: JsonObject): string {
  return textAt(object, 'metadata', 'name');
}
