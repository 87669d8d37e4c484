// The lines of a watch, read one by one: an object with its kind of change, a bookmark, or an error.

import { CodedError } from '../../base/errors.ts';
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  ownValue,
} from '../../template/json-value.ts';
import { toKubeError } from '../kube-error.ts';

export type WatchEvent = {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: JsonObject;
};

/** No object that etcd holds is larger as JSON. */
const MAX_LINE_BYTES = 8 * 1024 * 1024;
const NEWLINE = 0x0a;

/**
 * Ends when the bytes end between two lines. Throws `unavailable` for what is not a watch event or
 * ends within one, and the API server's own error where it sends one.
 */
export async function* watchEvents(
  bytes: AsyncIterable<Buffer>,
  what: string,
): AsyncGenerator<WatchEvent, void, undefined> {
  for await (const line of lines(bytes, what)) {
    const event = readEvent(line, what);
    if (event !== undefined) yield event;
  }
}

async function* lines(
  bytes: AsyncIterable<Buffer>,
  what: string,
): AsyncGenerator<string, void, undefined> {
  let parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of bytes) {
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
        parts.push(chunk.subarray(start, end));
        const line = Buffer.concat(parts).toString('utf8');
        parts = [];
        size = 0;
        start = end + 1;
        yield line;
      }
      const rest = chunk.subarray(start);
      size += rest.length;
      if (size > MAX_LINE_BYTES) throw broken(what, 'an event is too large');
      if (rest.length > 0) parts.push(rest);
    }
  } catch (cause) {
    if (cause instanceof CodedError) throw cause;
    throw broken(what, 'the connection broke', cause);
  }
  if (size > 0) throw broken(what, 'it ended within an event');
}

function readEvent(line: string, what: string): WatchEvent | undefined {
  if (line.trim() === '') return undefined;
  let event: JsonValue;
  try {
    event = JSON.parse(line) as JsonValue;
  } catch (cause) {
    throw broken(what, 'an event is not JSON', cause);
  }
  const type = isJsonObject(event) ? ownValue(event, 'type') : undefined;
  const object = isJsonObject(event) ? ownValue(event, 'object') : undefined;
  if (!isJsonObject(object)) throw broken(what, 'an event has no object');
  if (isObjectType(type)) return { type, object };
  if (type !== 'ERROR') throw broken(what, 'an event is of an unknown type');
  const code = ownValue(object, 'code');
  throw toKubeError({ status: typeof code === 'number' ? code : 500, what, body: object });
}

function isObjectType(type: JsonValue | undefined): type is WatchEvent['type'] {
  return type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED' || type === 'BOOKMARK';
}

function broken(what: string, message: string, cause?: unknown): CodedError {
  return new CodedError('unavailable', `${what}: ${message}`, cause === undefined ? {} : { cause });
}
