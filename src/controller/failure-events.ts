// Tells people who look at a pod or a policy that an identity they may count on is not there. A pod's
// author learns that it failed, never what policies say: their status has the reason.

import { CONFLICTS_ANNOTATION } from '../base/pod-annotations.ts';
import type { Condition } from '../crds/conditions.ts';
import { objectIn, type PodObject, textIn } from '../identity/objects.ts';
import type { Fate } from '../identity/settle.ts';
import type { EventRecorder, EventSubject } from '../kube/events.ts';
import { metadataText } from '../kube/object-key.ts';
import { isJsonObject, type JsonObject, type JsonValue, ownValue } from '../template/json-value.ts';
import type { ControllerContext } from './controller-context.ts';
import { POLICY } from './statuses.ts';

const LOOK_EVERY_MS = 5000;
/** In one look; the others get theirs in the next ones. */
const MAX_NEW = 100;
const FAILED: ReadonlySet<Fate> = new Set(['RenderFailed', 'EntryRefused', 'Undecidable']);
/** The annotation is the author's to write as well. */
const MAX_CONFLICTS = 512;
const POD_MESSAGE =
  'A policy selects this pod and gives it no SPIFFE identity; the status of the ClusterSPIFFEID says why';

export class FailureEvents {
  readonly #context: ControllerContext;
  readonly #events: EventRecorder;
  /** What was said last, by UID. */
  readonly #pods = new Map<string, string>();
  readonly #policies = new Map<string, string>();
  readonly #conflicts = new Map<string, string>();

  constructor(context: ControllerContext, events: EventRecorder) {
    this.#context = context;
    this.#events = events;
  }

  /** Looks at all pods with every change, until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { state, clock } = this.#context;
    for await (const _ of state.changed.watch(signal)) {
      if (state.isFresh) this.#lookAtPods();
      await clock.sleep(LOOK_EVERY_MS, signal);
    }
  }

  /** Says once that a policy fails, until it no longer does. */
  policy(object: JsonObject, conditions: readonly Condition[]): void {
    const ready = conditions.find(({ type }) => type === 'Ready');
    const uid = metadataText(object, 'uid');
    if (ready === undefined || ready.status !== 'False') {
      this.#policies.delete(uid);
      return;
    }
    if (this.#policies.get(uid) === ready.reason) return;
    this.#policies.set(uid, ready.reason);
    const { apiVersion, kind } = POLICY;
    const name = metadataText(object, 'name');
    const { reason, message } = ready;
    this.#events.record(
      { apiVersion, kind, namespace: '', name, uid },
      { type: 'Warning', reason, message },
    );
  }

  #lookAtPods(): void {
    const { index } = this.#context.state.identities;
    index.settleAll();
    const failing = new Set<string>();
    let left = MAX_NEW;
    const conflicting = new Set<string>();
    for (const { object, fates } of index.pods.all) {
      if (this.#lookAtConflicts(object)) conflicting.add(object.uid);
      const reason = fates.find((fate) => FAILED.has(fate));
      // Before it is scheduled every pod fails, for a moment.
      if (reason === undefined || object.nodeName === '') continue;
      if (!mounts(object, this.#context.driverName)) continue;
      failing.add(object.uid);
      if (this.#pods.get(object.uid) === reason || left === 0) continue;
      left -= 1;
      this.#pods.set(object.uid, reason);
      this.#events.record(podSubject(object), { type: 'Warning', reason, message: POD_MESSAGE });
    }
    for (const uid of this.#pods.keys()) if (!failing.has(uid)) this.#pods.delete(uid);
    for (const uid of this.#conflicts.keys()) {
      if (!conflicting.has(uid)) this.#conflicts.delete(uid);
    }
  }

  /** What the webhook found in the pod's variables; whether it found anything. */
  #lookAtConflicts(pod: PodObject): boolean {
    const found = textIn(objectIn(pod.metadata, 'annotations'), CONFLICTS_ANNOTATION);
    if (found === '') return false;
    if (this.#conflicts.get(pod.uid) !== found) {
      this.#conflicts.set(pod.uid, found);
      const message = `Variables that clients use instead of the pod's identity: ${found.slice(0, MAX_CONFLICTS)}`;
      this.#events.record(podSubject(pod), {
        type: 'Warning',
        reason: 'ConflictingVariables',
        message,
      });
    }
    return true;
  }
}

export function podSubject({ namespace, name, uid }: PodObject): EventSubject {
  return { apiVersion: 'v1', kind: 'Pod', namespace, name, uid };
}

/** Whether a pod has a volume of the driver. */
function mounts(pod: PodObject, driverName: string): boolean {
  const volumes = ownValue(pod.spec, 'volumes');
  if (!Array.isArray(volumes)) return false;
  return (volumes as readonly JsonValue[])
    .filter(isJsonObject)
    .some((volume) => textIn(objectIn(volume, 'csi'), 'driver') === driverName);
}
