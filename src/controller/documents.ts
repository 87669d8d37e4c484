// The documents that the authority role leaves for the controller: each is one object with one key.

import { CodedError } from '../base/errors.ts';
import { type KubeClient, segment } from '../kube/kube-client.ts';
import { isJsonObject, ownValue } from '../template/json-value.ts';

export const AUTHORITY_STATE = 'signet-authority-state';
export const REVOCATIONS = 'signet-revocations';
export const CONTROLLER_SERVING = 'signet-controller-serving';

const KEY = 'document.json';
const MAX_BYTES = 1024 * 1024;

export type DocumentPlace = {
  readonly resource: 'configmaps' | 'secrets';
  readonly namespace: string;
  readonly name: string;
};

/** The text of a document; undefined while there is none. The object may be there, and empty. */
export async function readDocument(
  client: KubeClient,
  { resource, namespace, name }: DocumentPlace,
): Promise<string | undefined> {
  const path = `/api/v1/namespaces/${segment(namespace)}/${resource}/${segment(name)}`;
  try {
    const data = ownValue(await client.send({ method: 'GET', path }), 'data');
    const given = isJsonObject(data) ? ownValue(data, KEY) : undefined;
    if (typeof given !== 'string' || given === '') return undefined;
    if (given.length > 2 * MAX_BYTES)
      throw new CodedError('resource-exhausted', `${name}: too big`);
    return resource === 'secrets' ? Buffer.from(given, 'base64').toString('utf8') : given;
  } catch (thrown) {
    const error = CodedError.from(thrown);
    if (error.code === 'not-found') return undefined;
    throw error;
  }
}
