// The Lease that says who leads, as the API server keeps it: every write names the version it
// follows, so of two writers one is told.

import { CodedError } from '../base/errors.ts';
import { isJsonObject, type JsonObject, ownValue } from '../template/json-value.ts';
import { type KubeClient, segment } from './kube-client.ts';
import { metadataOf, metadataText } from './object-key.ts';

export type LeaseRecord = {
  readonly holder: string;
  readonly durationMs: number;
  /** How often the lease has changed hands. */
  readonly transitions: number;
  readonly version: string;
  readonly metadata: JsonObject;
  readonly spec: JsonObject;
};

export type LeaseName = { readonly namespace: string; readonly name: string };

const GROUP = '/apis/coordination.k8s.io/v1';
const KIND = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' } as const;

export class Lease {
  readonly #client: KubeClient;
  readonly #collection: string;
  readonly #name: string;

  constructor(client: KubeClient, { namespace, name }: LeaseName) {
    this.#client = client;
    this.#collection = `${GROUP}/namespaces/${segment(namespace)}/leases`;
    this.#name = segment(name);
  }

  /** Undefined when there is none yet. */
  async read(signal: AbortSignal): Promise<LeaseRecord | undefined> {
    const path = `${this.#collection}/${this.#name}`;
    try {
      return readRecord(await this.#client.send({ method: 'GET', path, signal }));
    } catch (thrown) {
      const error = CodedError.from(thrown);
      if (error.code === 'not-found') return undefined;
      throw error;
    }
  }

  /** Throws `aborted` or `already-exists` when somebody else has written since `after`. */
  async write(
    spec: JsonObject,
    after: LeaseRecord | undefined,
    signal: AbortSignal,
  ): Promise<LeaseRecord> {
    const metadata = after?.metadata ?? { name: this.#name };
    const body = { ...KIND, metadata, spec: { ...after?.spec, ...spec } };
    const request =
      after === undefined
        ? ({ method: 'POST', path: this.#collection } as const)
        : ({ method: 'PUT', path: `${this.#collection}/${this.#name}` } as const);
    return readRecord(await this.#client.send({ ...request, body, signal }));
  }
}

/** Times of a Lease have six digits behind the second. */
export function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}

function readRecord(object: JsonObject): LeaseRecord {
  const given = ownValue(object, 'spec');
  const spec = isJsonObject(given) ? given : {};
  const holder = ownValue(spec, 'holderIdentity');
  const duration = ownValue(spec, 'leaseDurationSeconds');
  const transitions = ownValue(spec, 'leaseTransitions');
  return {
    holder: typeof holder === 'string' ? holder : '',
    durationMs: typeof duration === 'number' ? duration * 1000 : 0,
    transitions: typeof transitions === 'number' ? transitions : 0,
    version: metadataText(object, 'resourceVersion'),
    metadata: metadataOf(object),
    spec,
  };
}
