// Kubernetes objects in files: YAML with several documents, JSON, lists, and arrays as `kubectl get
// -o json` and `jq` leave them. What does not parse is named with its file and line and skipped; the
// rest is still read.

import { parseAllDocuments } from 'yaml';
import { CodedError, invalid } from '../base/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue, ownValue } from '../template/json-value.ts';

export type ManifestObject = {
  readonly apiVersion: string;
  readonly kind: string;
  /** '' when the object names none. */
  readonly namespace: string;
  readonly name: string;
  readonly object: JsonObject;
  /** File, and number of the document in it when there are several. */
  readonly source: string;
};

export type ManifestFile = {
  readonly objects: readonly ManifestObject[];
  readonly errors: readonly string[];
};

const MAX_FILE_BYTES = 256 * 1024 * 1024;
/** A document that names itself again and again is a bomb. */
const MAX_ALIASES = 100;

/** Reads one file's text; `path` is only for messages, but `.json` is read as JSON. */
export function readManifests(path: string, text: string): ManifestFile {
  const objects: ManifestObject[] = [];
  const errors: string[] = [];
  if (text.length > MAX_FILE_BYTES) return { objects, errors: [`${path}: over 256 MiB`] };
  for (const { value, source, error } of documents(path, text)) {
    if (error !== undefined) {
      errors.push(error);
      continue;
    }
    for (const item of flatten(value)) {
      try {
        objects.push(readObject(item, source));
      } catch (thrown) {
        errors.push(CodedError.from(thrown).message);
      }
    }
  }
  return { objects, errors };
}

type Document = { readonly value: JsonValue; readonly source: string; readonly error?: string };

function documents(path: string, text: string): readonly Document[] {
  if (path.endsWith('.json')) {
    try {
      return [{ value: JSON.parse(text) as JsonValue, source: path }];
    } catch (thrown) {
      const error = `${path}: ${CodedError.from(thrown).message}`;
      return [{ value: null, source: path, error }];
    }
  }
  const parsed = parseAllDocuments(text, { prettyErrors: true, stringKeys: true });
  const all = Array.isArray(parsed) ? parsed : [];
  return all.map((document, index) => {
    const source = all.length > 1 ? `${path} (document ${index + 1})` : path;
    const [problem] = document.errors;
    if (problem !== undefined)
      return { value: null, source, error: `${source}: ${oneLine(problem)}` };
    try {
      const value = document.toJS({ maxAliasCount: MAX_ALIASES }) as JsonValue;
      return { value, source };
    } catch (thrown) {
      return { value: null, source, error: `${source}: ${CodedError.from(thrown).message}` };
    }
  });
}

function oneLine(problem: Error): string {
  return problem.message.split('\n')[0] ?? problem.message;
}

/** The objects of a document: none, one, a list, or an array of these. */
function flatten(value: JsonValue): readonly JsonValue[] {
  if (value === null) return [];
  if (Array.isArray(value)) return value.flatMap(flatten);
  if (!isJsonObject(value)) return [value];
  const { kind } = value;
  const items = ownValue(value, 'items');
  const isList = typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items);
  return isList ? (items as readonly JsonValue[]).flatMap(flatten) : [value];
}

function readObject(value: JsonValue, source: string): ManifestObject {
  if (!isJsonObject(value)) throw invalid(`${source}: not a Kubernetes object`);
  const text = (object: JsonObject, key: string, field: string): string => {
    const found = ownValue(object, key) ?? '';
    if (typeof found === 'string') return found;
    throw invalid(`${source}: ${field} must be a string`);
  };
  const metadata = ownValue(value, 'metadata');
  const apiVersion = text(value, 'apiVersion', 'apiVersion');
  const kind = text(value, 'kind', 'kind');
  if (apiVersion === '' || kind === '') throw invalid(`${source}: apiVersion or kind is missing`);
  if (!isJsonObject(metadata)) throw invalid(`${source}: ${kind}: metadata is missing`);
  const name = text(metadata, 'name', 'metadata.name');
  if (name === '') throw invalid(`${source}: ${kind}: metadata.name is missing`);
  const namespace = text(metadata, 'namespace', 'metadata.namespace');
  return { apiVersion, kind, namespace, name, object: value, source };
}
