// Where the bundles of other trust domains are in a cluster: one ConfigMap of a fixed name, so that rights
// to it can be given by name. The issuer reads it, the leading controller alone writes it.

import { CodedError } from '../../base/errors.ts';
import type { DocumentStore } from '../../federation/bundle-store.ts';
import { FEDERATED_CONFIG_MAP } from '../../federation/federated-bundle.ts';
import { type KubeClient, segment } from '../../kube/kube-client.ts';
import { metadataText } from '../../kube/object-key.ts';
import { isJsonObject, type JsonObject, ownValue } from '../../template/json-value.ts';
import { FIELD_MANAGER, OWN_LABELS } from '../controller-context.ts';

const KEY = 'document.json';
/** Of an object that is not there. */
const ABSENT = '';

export class ConfigMapDocuments implements DocumentStore {
  readonly #client: KubeClient;
  readonly #namespace: string;

  constructor(client: KubeClient, namespace: string) {
    this.#client = client;
    this.#namespace = namespace;
  }

  async read(): Promise<{ readonly text: string | undefined; readonly version: string }> {
    try {
      const object = await this.#client.send({ method: 'GET', path: this.#path });
      const data = ownValue(object, 'data');
      const text = isJsonObject(data) ? ownValue(data, KEY) : undefined;
      const isText = typeof text === 'string' && text !== '';
      return { text: isText ? text : undefined, version: versionOf(object) };
    } catch (thrown) {
      if (CodedError.from(thrown).code === 'not-found') return { text: undefined, version: ABSENT };
      throw thrown;
    }
  }

  async write(text: string, expected: string): Promise<void> {
    const data = { [KEY]: text };
    if (expected === ABSENT) {
      // Applied, not posted: then the API server knows the name when it decides whether to create.
      await this.#client.send({
        method: 'PATCH',
        path: this.#path,
        query: { fieldManager: FIELD_MANAGER, force: 'true' },
        contentType: 'application/apply-patch+yaml',
        body: {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name: FEDERATED_CONFIG_MAP, namespace: this.#namespace, labels: OWN_LABELS },
          data,
        },
      });
      return;
    }
    const [uid = '', resourceVersion = ''] = expected.split('/');
    await this.#client.send({
      method: 'PATCH',
      path: this.#path,
      contentType: 'application/merge-patch+json',
      // Refused unless both are still the same: a leader that was replaced writes nothing.
      body: { metadata: { uid, resourceVersion }, data },
    });
  }

  get #path(): string {
    const name = segment(FEDERATED_CONFIG_MAP);
    return `/api/v1/namespaces/${segment(this.#namespace)}/configmaps/${name}`;
  }
}

function versionOf(object: JsonObject): string {
  return `${metadataText(object, 'uid')}/${metadataText(object, 'resourceVersion')}`;
}
