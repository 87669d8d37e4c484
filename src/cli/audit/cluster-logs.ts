// The audit lines that our own pods have printed, as far as the kubelets still have them.

import type { AuditInput } from '../../audit/verify-audit.ts';
import { CodedError } from '../../base/errors.ts';
import { type KubeClient, segment } from '../../kube/kube-client.ts';
import { metadataText } from '../../kube/object-key.ts';
import { ClusterReader } from '../cluster/reader.ts';

/** Who writes: what the chart labels its pods with. */
const WRITERS =
  'app.kubernetes.io/name=signet,app.kubernetes.io/component in (issuer,controller,authority)';
/** Of one container; kubelets keep ten MiB of a file. */
const MAX_BYTES = 256 * 1024 * 1024;

/** One input a pod, by its name. Throws when there is no such pod. */
export async function clusterLogs(
  client: KubeClient,
  namespace: string,
  signal: AbortSignal,
): Promise<readonly AuditInput[]> {
  const pods = `/api/v1/namespaces/${segment(namespace)}/pods`;
  const reader = new ClusterReader(client, signal);
  const found = (await reader.list(pods, { labelSelector: WRITERS })) ?? [];
  if (found.length === 0) {
    throw new CodedError('not-found', `no pod of Signet is in namespace ${namespace}`);
  }
  const inputs: AuditInput[] = [];
  for (const pod of found) {
    const name = metadataText(pod, 'name');
    const lines = await linesOfPod(client, `${pods}/${segment(name)}/log`, signal);
    inputs.push({ name, lines: () => lines });
  }
  return inputs;
}

async function linesOfPod(
  client: KubeClient,
  path: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of await client.stream({ method: 'GET', path, signal })) {
      parts.push(part);
      size += part.length;
      if (size > MAX_BYTES) throw new CodedError('resource-exhausted', `${path}: too long`);
    }
  } catch (thrown) {
    const error = CodedError.from(thrown);
    // A container that does not run yet has said nothing; a pod may go at any moment.
    if (error.code === 'invalid-argument' || error.code === 'not-found') return [];
    throw error;
  }
  return Buffer.concat(parts).toString('utf8').split('\n');
}
