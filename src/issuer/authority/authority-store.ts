// Where authorities live: a handful of named documents, each replaced as a whole and only by whoever
// has read its newest version. In a cluster they are Secrets with different readers; in dev mode
// they are files.

import { createPrivateKey, type KeyObject } from 'node:crypto';
import { damaged } from '../../authorities/authority-state.ts';
import { CodedError } from '../../base/errors.ts';

/**
 * - `state`: public, see AuthorityState.
 * - `root-key`, `standby-root-key`, `serving-keys`: read by the authority role only.
 * - `issuing-keys`: intermediates and JWT keys, read by the issuer.
 * - `revocations`: public, see RevocationDocument; written by issuers.
 * - `issuer-serving`, `controller-serving`: the own TLS certificate, with its key, of each, read by it.
 * - `bundle-endpoint`: the X509-SVID, with its key, of the bundle endpoint, read by the controller.
 */
export type DocumentName =
  | 'state'
  | 'root-key'
  | 'standby-root-key'
  | 'serving-keys'
  | 'issuing-keys'
  | 'revocations'
  | ServingDocumentName;

export type ServingDocumentName = 'issuer-serving' | 'controller-serving' | 'bundle-endpoint';

export type StoredDocument = { readonly version: string; readonly value: unknown };

export type AuthorityStore = {
  /** Throws `permission-denied` where the role may not read the document. */
  read(name: DocumentName): Promise<StoredDocument | undefined>;
  /** Whether there is such a document, or a place with nothing in it, asked without reading it. */
  exists(name: DocumentName): Promise<boolean>;
  /**
   * Replaces a document whose newest version is `expected` (undefined: there is none yet). Throws
   * `aborted` when somebody else was faster; then nothing has changed.
   */
  write(name: DocumentName, value: unknown, expected: string | undefined): Promise<void>;
  /** Removes a document, with the place that it has, if `expected` is its newest version. */
  remove(name: DocumentName, expected: string): Promise<void>;
};

export type KeyDocumentName = Exclude<DocumentName, 'state' | 'revocations' | ServingDocumentName>;

export const KEY_DOCUMENTS: readonly KeyDocumentName[] = [
  'root-key',
  'standby-root-key',
  'serving-keys',
  'issuing-keys',
];

/** Private keys by authority id, PKCS#8 DER in base64. */
export type KeyDocument = { readonly format: 1; readonly keys: Readonly<Record<string, string>> };

/** Throws `failed-precondition`: a document that is not understood must not pass for an empty one. */
export function readKeys(document: StoredDocument | undefined): ReadonlyMap<string, string> {
  if (document === undefined) return new Map();
  const value = document.value as Partial<KeyDocument> | null;
  const keys = Object.entries(value?.format === 1 && value.keys ? value.keys : {});
  if (value?.format !== 1 || keys.some(([, key]) => typeof key !== 'string')) {
    throw damaged('a document of keys is malformed, or written for a newer version of Signet');
  }
  return new Map(keys);
}

/** The document with other keys; members that this version does not know are kept as they are. */
export function withKeys(
  document: StoredDocument | undefined,
  keys: Iterable<readonly [string, string]>,
): KeyDocument {
  return { ...(document?.value as KeyDocument), format: 1, keys: Object.fromEntries(keys) };
}

const KEY_WRITE_ATTEMPTS = 10;

/** Adds keys that may exist nowhere else yet: a lost race is no reason to lose them. */
export async function changeKeys(
  store: AuthorityStore,
  name: KeyDocumentName,
  change: (keys: Map<string, string>) => void,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const document = await store.read(name);
    const keys = new Map(readKeys(document));
    change(keys);
    try {
      await store.write(name, withKeys(document, keys), document?.version);
      return;
    } catch (thrown) {
      const lost = CodedError.from(thrown).code === 'aborted';
      if (!lost || attempt === KEY_WRITE_ATTEMPTS) throw thrown;
    }
  }
}

/** Keys travel as PKCS#8 in base64 between store and memory, and in no other place. */
export function encodeKey(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'der' }).toString('base64');
}

export function decodeKey(text: string): KeyObject {
  return createPrivateKey({ key: Buffer.from(text, 'base64'), type: 'pkcs8', format: 'der' });
}
