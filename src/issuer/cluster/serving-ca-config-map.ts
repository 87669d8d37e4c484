// The ConfigMap from which node plugins learn whom to trust as an issuer: written by the authority role
// alone, and only when it says something else.

import { CodedError } from '../../base/errors.ts';
import { type KubeClient, segment } from '../../kube/kube-client.ts';
import { metadataText } from '../../kube/object-key.ts';
import { isJsonObject, ownValue } from '../../template/json-value.ts';

const NAME = 'signet-issuer-ca';
const KEY = 'ca.crt';

/** Makes the ConfigMap say `pem`; true when it said something else before. */
export async function publishServingCa(
  client: KubeClient,
  namespace: string,
  pem: string,
): Promise<boolean> {
  const collection = `/api/v1/namespaces/${segment(namespace)}/configmaps`;
  const path = `${collection}/${NAME}`;
  const data = { [KEY]: pem };
  try {
    const object = await client.send({ method: 'GET', path });
    const now = ownValue(object, 'data');
    if (isJsonObject(now) && ownValue(now, KEY) === pem) return false;
    // Whoever has read an older state must not have the last word.
    const metadata = {
      uid: metadataText(object, 'uid'),
      resourceVersion: metadataText(object, 'resourceVersion'),
    };
    const contentType = 'application/merge-patch+json';
    await client.send({ method: 'PATCH', path, contentType, body: { metadata, data } });
    return true;
  } catch (thrown) {
    const error = CodedError.from(thrown);
    if (error.code !== 'not-found') throw error;
  }
  const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: NAME }, data };
  try {
    await client.send({ method: 'POST', path: collection, body });
  } catch (cause) {
    const error = CodedError.from(cause);
    if (error.code !== 'already-exists') throw error;
    throw new CodedError('aborted', `${NAME}: somebody else was faster`, { cause });
  }
  return true;
}
