// Where checkpoints are kept out of the reach of whoever can change the lines: annotations of one Lease,
// one a chain. Every write shows all of them, so one right, to patch that Lease, is enough.

import { type KubeClient, segment } from '../kube/kube-client.ts';
import { isJsonObject, type JsonObject, ownValue } from '../template/json-value.ts';
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts';

export type AuditAnchor = {
  /** What is kept, of all chains. */
  look(signal: AbortSignal): Promise<readonly Checkpoint[]>;
  /** Keeps a checkpoint instead of what was kept of its chain; all that is kept then. */
  put(checkpoint: Checkpoint, signal: AbortSignal): Promise<readonly Checkpoint[]>;
  drop(checkpoints: readonly Checkpoint[], signal: AbortSignal): Promise<void>;
};

/** Half a kilobyte each; an object may have 256 of annotations. */
export const MAX_ANCHORS = 128;

export const AUDIT_LEASE = 'signet-audit';
const PREFIX = 'audit.signet.dev/';
const TIMEOUT_MS = 5000;

export class LeaseAnchor implements AuditAnchor {
  readonly #client: KubeClient;
  readonly #path: string;

  constructor(client: KubeClient, namespace: string) {
    this.#client = client;
    const collection = `/apis/coordination.k8s.io/v1/namespaces/${segment(namespace)}/leases`;
    this.#path = `${collection}/${AUDIT_LEASE}`;
  }

  async look(signal: AbortSignal): Promise<readonly Checkpoint[]> {
    return await this.#patch({}, signal);
  }

  async put(checkpoint: Checkpoint, signal: AbortSignal): Promise<readonly Checkpoint[]> {
    return await this.#patch({ [PREFIX + checkpoint.chain]: JSON.stringify(checkpoint) }, signal);
  }

  async drop(checkpoints: readonly Checkpoint[], signal: AbortSignal): Promise<void> {
    const gone = checkpoints.map(({ chain }) => [PREFIX + chain, null] as const);
    await this.#patch(Object.fromEntries(gone), signal);
  }

  async #patch(annotations: JsonObject, signal: AbortSignal): Promise<readonly Checkpoint[]> {
    const object = await this.#client.send({
      method: 'PATCH',
      path: this.#path,
      contentType: 'application/merge-patch+json',
      body: { metadata: { annotations } },
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    return anchorsIn(object).checkpoints;
  }
}

/** The checkpoints that a Lease has, and the annotations of ours that are none. */
export function anchorsIn(object: JsonObject): {
  readonly checkpoints: readonly Checkpoint[];
  readonly malformed: readonly string[];
} {
  const metadata = ownValue(object, 'metadata');
  const annotations = isJsonObject(metadata) ? ownValue(metadata, 'annotations') : undefined;
  const checkpoints: Checkpoint[] = [];
  const malformed: string[] = [];
  for (const [name, value] of Object.entries(isJsonObject(annotations) ? annotations : {})) {
    if (!name.startsWith(PREFIX)) continue;
    const checkpoint = typeof value === 'string' ? parseCheckpoint(value) : undefined;
    if (checkpoint?.chain === name.slice(PREFIX.length)) checkpoints.push(checkpoint);
    else malformed.push(name);
  }
  return { checkpoints, malformed };
}
