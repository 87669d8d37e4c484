// Authorities in a cluster: one object a document, so that RBAC by name decides who reads which. The
// state is a ConfigMap, everything else a Secret; the resource version is what writers compare. What a
// role may create and not read, such as the key of the standby root, it writes once, blindly.

import { CodedError } from '../../base/errors.ts';
import { type KubeClient, segment } from '../../kube/kube-client.ts';
import { metadataText } from '../../kube/object-key.ts';
import { isJsonObject, type JsonObject, ownValue } from '../../template/json-value.ts';
import type { AuthorityStore, DocumentName, StoredDocument } from '../authority/authority-store.ts';

export type SecretAuthorityStoreOptions = {
  readonly client: KubeClient;
  readonly namespace: string;
  /** What the names begin with; default `signet`. */
  readonly prefix?: string;
};

/** The object of each document, behind the prefix. */
export const DOCUMENT_OBJECTS: Readonly<
  Record<DocumentName, { readonly kind: 'ConfigMap' | 'Secret'; readonly name: string }>
> = {
  state: { kind: 'ConfigMap', name: 'authority-state' },
  revocations: { kind: 'ConfigMap', name: 'revocations' },
  'root-key': { kind: 'Secret', name: 'root-key' },
  'standby-root-key': { kind: 'Secret', name: 'standby-root-key' },
  'serving-keys': { kind: 'Secret', name: 'serving-keys' },
  'issuing-keys': { kind: 'Secret', name: 'issuing-keys' },
  'issuer-serving': { kind: 'Secret', name: 'issuer-serving' },
  'controller-serving': { kind: 'Secret', name: 'controller-serving' },
  'bundle-endpoint': { kind: 'Secret', name: 'bundle-endpoint' },
};

const KEY = 'document.json';

type Found = { readonly object: JsonObject; readonly text: string | undefined };

export class SecretAuthorityStore implements AuthorityStore {
  readonly #options: SecretAuthorityStoreOptions;

  constructor(options: SecretAuthorityStoreOptions) {
    this.#options = options;
  }

  async read(name: DocumentName): Promise<StoredDocument | undefined> {
    const found = await this.#find(name);
    if (found?.text === undefined) return undefined;
    try {
      return { version: versionOf(found.object), value: JSON.parse(found.text) };
    } catch {
      // The cause would show a piece of the text.
      throw damaged(name);
    }
  }

  async exists(name: DocumentName): Promise<boolean> {
    try {
      // A trial: the API server says whether it would make the object, and makes none.
      await this.#post(name, {}, { dryRun: 'All' });
      return false;
    } catch (thrown) {
      const error = CodedError.from(thrown);
      if (error.code === 'already-exists') return true;
      throw error;
    }
  }

  async write(name: DocumentName, value: unknown, expected: string | undefined): Promise<void> {
    await orChanged(name, expected, async () => {
      if (expected === undefined) await this.#create(name, value);
      else await this.#patch(name, value, expected);
    });
  }

  async remove(name: DocumentName, expected: string): Promise<void> {
    const [uid = '', resourceVersion = ''] = expected.split('/');
    await orChanged(name, expected, async () => {
      const body = {
        kind: 'DeleteOptions',
        apiVersion: 'v1',
        preconditions: { uid, resourceVersion },
      };
      await this.#options.client.send({ method: 'DELETE', path: this.#pathOf(name), body });
    });
  }

  // RBAC cannot limit creation by name, so an installation may bring empty objects with it: those
  // hold no document yet.
  async #create(name: DocumentName, value: unknown): Promise<void> {
    const found = await this.#findOrBlind(name);
    if (found === undefined) {
      await this.#post(name, contentOf(name, value));
    } else if (found.text === undefined) {
      await this.#patch(name, value, versionOf(found.object));
    } else throw changed(name);
  }

  async #post(name: DocumentName, content: JsonObject, query?: Readonly<Record<string, string>>) {
    const { kind } = DOCUMENT_OBJECTS[name];
    await this.#options.client.send({
      method: 'POST',
      path: this.#collectionOf(name),
      ...(query === undefined ? {} : { query }),
      body: {
        apiVersion: 'v1',
        kind,
        metadata: { name: this.#nameOf(name) },
        ...(kind === 'Secret' ? { type: 'Opaque' } : {}),
        ...content,
      },
    });
  }

  async #patch(name: DocumentName, value: unknown, expected: string): Promise<void> {
    const [uid = '', resourceVersion = ''] = expected.split('/');
    if (uid === '' || resourceVersion === '') throw changed(name);
    await this.#options.client.send({
      method: 'PATCH',
      path: this.#pathOf(name),
      contentType: 'application/merge-patch+json',
      // The API server refuses the patch unless both are still the same.
      body: { metadata: { uid, resourceVersion }, ...contentOf(name, value) },
    });
  }

  // Whoever may not look can still create: if the object is there, the API server says so.
  async #findOrBlind(name: DocumentName): Promise<Found | undefined> {
    try {
      return await this.#find(name);
    } catch (thrown) {
      const error = CodedError.from(thrown);
      if (error.code === 'permission-denied') return undefined;
      throw error;
    }
  }

  async #find(name: DocumentName): Promise<Found | undefined> {
    let object: JsonObject;
    try {
      object = await this.#options.client.send({ method: 'GET', path: this.#pathOf(name) });
    } catch (thrown) {
      const error = CodedError.from(thrown);
      if (error.code === 'not-found') return undefined;
      throw error;
    }
    const data = ownValue(object, 'data');
    const text = isJsonObject(data) ? ownValue(data, KEY) : undefined;
    if (text === undefined || text === '') return { object, text: undefined };
    if (typeof text !== 'string') throw damaged(name);
    const isSecret = DOCUMENT_OBJECTS[name].kind === 'Secret';
    return { object, text: isSecret ? Buffer.from(text, 'base64').toString('utf8') : text };
  }

  #nameOf(name: DocumentName): string {
    return `${this.#options.prefix ?? 'signet'}-${DOCUMENT_OBJECTS[name].name}`;
  }

  #collectionOf(name: DocumentName): string {
    const resource = DOCUMENT_OBJECTS[name].kind === 'Secret' ? 'secrets' : 'configmaps';
    return `/api/v1/namespaces/${segment(this.#options.namespace)}/${resource}`;
  }

  #pathOf(name: DocumentName): string {
    return `${this.#collectionOf(name)}/${segment(this.#nameOf(name))}`;
  }
}

async function orChanged(
  name: DocumentName,
  expected: string | undefined,
  write: () => Promise<void>,
): Promise<void> {
  try {
    await write();
  } catch (thrown) {
    const error = CodedError.from(thrown);
    const isLost =
      error.code === 'already-exists' || (error.code === 'not-found' && expected !== undefined);
    if (isLost) throw changed(name, error);
    throw error;
  }
}

function contentOf(name: DocumentName, value: unknown): JsonObject {
  const text = JSON.stringify(value);
  const isSecret = DOCUMENT_OBJECTS[name].kind === 'Secret';
  return { data: { [KEY]: isSecret ? Buffer.from(text).toString('base64') : text } };
}

/** An object that was deleted and made again is another one, whatever its resource version. */
function versionOf(object: JsonObject): string {
  return `${metadataText(object, 'uid')}/${metadataText(object, 'resourceVersion')}`;
}

function changed(name: DocumentName, cause?: CodedError): CodedError {
  return new CodedError('aborted', `authority store: ${name} has changed`, { cause });
}

function damaged(name: DocumentName): CodedError {
  return new CodedError('failed-precondition', `authority store: ${name} cannot be read`, {
    reason: 'StateDamaged',
  });
}
