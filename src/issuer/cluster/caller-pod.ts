// Whether a pod is one of our node plugins: by the issuer's own view of it, not by what its token
// or its caller says.

import { allow, CodedError, type Decision, refuse } from '../../base/errors.ts';
import { type PodObject, textIn } from '../../identity/objects.ts';
import { isJsonObject, type JsonValue, ownValue } from '../../template/json-value.ts';

/** Where our node plugins run, and as whom. */
export type NodePluginPlace = {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly daemonSet: string;
};

/** What a verified token says: the pod it is bound to, and the node of that pod. */
export type BoundToken = {
  readonly podUid: string;
  readonly podName: string;
  readonly node: string;
};

const OVER: ReadonlySet<string> = new Set(['Succeeded', 'Failed']);

/**
 * Decides on a pod by its UID. Throws `unavailable` for one that is not known: the view may be
 * behind, and silence decides nothing.
 */
export function judgeCallerPod(
  pod: PodObject | undefined,
  token: BoundToken,
  place: NodePluginPlace,
): Decision {
  if (pod === undefined) {
    throw new CodedError('unavailable', 'the pod of the token is not in view', {
      reason: 'ViewBehind',
    });
  }
  const isAsTold =
    pod.uid === token.podUid && pod.name === token.podName && pod.nodeName === token.node;
  if (!isAsTold || token.node === '') {
    return refuse('CallerMismatch', 'token: its pod is another one, or on another node');
  }
  if (pod.namespace !== place.namespace || pod.serviceAccount !== place.serviceAccount) {
    return refuse('NotNodePlugin', 'token: its pod is no node plugin');
  }
  if (!isOwnedBy(pod, place.daemonSet)) {
    return refuse('NotNodePlugin', 'token: its pod is not of the DaemonSet of node plugins');
  }
  if (OVER.has(pod.phase)) return refuse('CallerOver', 'token: its pod has ended');
  return allow(undefined);
}

/** The nodes that have a node plugin, by the issuer's own view. */
export function pluginNodes(
  pods: Iterable<{ readonly object: PodObject }>,
  place: NodePluginPlace,
): Set<string> {
  const nodes = new Set<string>();
  for (const { object: pod } of pods) {
    const { namespace, serviceAccount, nodeName } = pod;
    const isOurs = namespace === place.namespace && serviceAccount === place.serviceAccount;
    if (isOurs && nodeName !== '' && isOwnedBy(pod, place.daemonSet)) nodes.add(nodeName);
  }
  return nodes;
}

function isOwnedBy(pod: PodObject, daemonSet: string): boolean {
  const references = ownValue(pod.metadata, 'ownerReferences');
  if (!Array.isArray(references)) return false;
  return (references as readonly JsonValue[]).some(
    (owner) =>
      isJsonObject(owner) &&
      ownValue(owner, 'controller') === true &&
      textIn(owner, 'apiVersion') === 'apps/v1' &&
      textIn(owner, 'kind') === 'DaemonSet' &&
      textIn(owner, 'name') === daemonSet,
  );
}
