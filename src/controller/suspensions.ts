// The label that starts a suspension. Whoever may label a pod may also delete it, so the label counts
// against what a successor would have too: the ServiceAccount in its namespace. What it started is an
// object that taking the label away does not end.

import { hash } from 'node:crypto';
import { note } from '../audit/audit-log.ts';
import { CodedError } from '../base/errors.ts';
import { COLLECTIONS } from '../cluster-view/cluster-view.ts';
import { objectIn, type PodObject, textIn } from '../identity/objects.ts';
import type { EventRecorder } from '../kube/events.ts';
import type { JsonObject } from '../template/json-value.ts';
import { type ControllerContext, OWN_LABELS } from './controller-context.ts';
import { podSubject } from './failure-events.ts';
import { repeat } from './repeat.ts';

export const SUSPENDED_LABEL = 'signet.dev/suspended';

const PREFIX = 'suspended-by-label-';
/** More than that many accounts of one namespace are the namespace. */
const MAX_IN_NAMESPACE = 16;
const LOOK_EVERY_MS = 1000;
const RETRY_MS = 30_000;
/** So that labels on many pods at once are not a storm of writes. */
const PAUSE_MS = 100;

type Suspension = {
  readonly name: string;
  readonly match: JsonObject;
  readonly cause: string;
  readonly pod: PodObject | undefined;
};

export class Suspensions {
  readonly #context: ControllerContext;
  readonly #events: EventRecorder;
  /** When to look at one again, by name. */
  readonly #dueAt = new Map<string, number>();
  #version = -1n;

  constructor(context: ControllerContext, events: EventRecorder) {
    this.#context = context;
    this.#events = events;
  }

  /** Looks at all labels until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context;
    const options = { what: 'suspend by label', everyMs: LOOK_EVERY_MS, clock, log };
    await repeat(options, async () => await this.#pass(signal), signal);
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const { clock, state } = this.#context;
    // Before everything was seen, what is there already would be made again.
    if (state.missing.length > 0 || state.version === this.#version) return;
    const { version } = state;
    let isDone = true;
    for (const suspension of this.#wanted().values()) {
      if (signal.aborted) return;
      if (state.restrictions.has(suspension.name)) continue;
      isDone = false;
      if (clock.now() < (this.#dueAt.get(suspension.name) ?? 0)) continue;
      this.#dueAt.set(suspension.name, clock.now() + RETRY_MS);
      await this.#start(suspension, signal);
      await clock.sleep(PAUSE_MS, signal);
    }
    if (isDone) {
      this.#version = version;
      this.#dueAt.clear();
    }
  }

  #wanted(): ReadonlyMap<string, Suspension> {
    const { index } = this.#context.state.identities;
    const wanted = new Map<string, Suspension>();
    for (const [namespace, { verdicts }] of index.namespaces) {
      if (!isSuspended(verdicts.labels)) continue;
      const what = `namespace ${namespace}`;
      const suspension = suspend({ namespace }, what, undefined);
      wanted.set(suspension.name, suspension);
    }
    const counts = this.#startedIn();
    const { restrictions } = this.#context.state;
    for (const { object, isNodeOwned } of index.pods.all) {
      // A node may make such pods in any namespace: it must not suspend others by them.
      if (isNodeOwned || !isSuspended(object.labels)) continue;
      const { namespace, serviceAccount, name } = object;
      const what = `pod ${namespace}/${name}`;
      const whole = suspend({ namespace }, what, object);
      const one = suspend({ namespace, serviceAccount }, what, object);
      const isThere = [whole, one].some(({ name }) => restrictions.has(name) || wanted.has(name));
      if (isThere) continue;
      const count = counts.get(namespace) ?? 0;
      const suspension = count < MAX_IN_NAMESPACE ? one : whole;
      counts.set(namespace, count + 1);
      wanted.set(suspension.name, suspension);
    }
    return wanted;
  }

  /** How many there are by namespace: objects that tenants can cause and cannot delete. */
  #startedIn(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const [name, object] of this.#context.state.restrictions) {
      if (!name.startsWith(PREFIX)) continue;
      const namespace = textIn(objectIn(objectIn(object, 'spec'), 'match'), 'namespace');
      counts.set(namespace, (counts.get(namespace) ?? 0) + 1);
    }
    return counts;
  }

  async #start({ name, match, cause, pod }: Suspension, signal: AbortSignal): Promise<void> {
    const { client, log } = this.#context;
    try {
      await client.send({
        method: 'POST',
        path: COLLECTIONS.IdentityRestriction,
        body: {
          apiVersion: 'signet.dev/v1alpha1',
          kind: 'IdentityRestriction',
          metadata: { name, labels: OWN_LABELS },
          spec: { match, suspend: true, cause },
        },
        signal,
      });
    } catch (thrown) {
      const err = CodedError.from(thrown);
      if (signal.aborted || err.code === 'already-exists') return;
      log.error({ path: name, err }, 'Failed to suspend by label, will retry');
      return;
    }
    log.warn({ path: name, message: cause }, 'Suspended by label');
    this.#write(name, match, cause);
    if (pod === undefined) return;
    const message = `IdentityRestriction ${name} suspends ServiceAccount ${pod.serviceAccount}; it stays when the label goes`;
    this.#events.record(podSubject(pod), { type: 'Warning', reason: 'Suspended', message });
  }

  #write(restriction: string, match: JsonObject, cause: string): void {
    const { audit, log, state } = this.#context;
    const { trustDomain } = state.settings;
    const detail = `${cause}: suspends ${JSON.stringify(match)}`;
    const event = 'RestrictionMade' as const;
    note(audit, log, [{ event, trustDomain, restriction, change: 'set', detail }]);
  }
}

function isSuspended(labels: JsonObject): boolean {
  return Object.hasOwn(labels, SUSPENDED_LABEL) && labels[SUSPENDED_LABEL] === 'true';
}

/** The name follows from whom it is about: the same label twice is one suspension. */
function suspend(match: JsonObject, what: string, pod: PodObject | undefined): Suspension {
  const id = hash('sha256', JSON.stringify(match), 'hex').slice(0, 16);
  const cause = `label ${SUSPENDED_LABEL} on ${what}`;
  return { name: `${PREFIX}${id}`, match, cause, pod };
}
