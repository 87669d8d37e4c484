// The issuer's pods, derived: an identity view as the issuer asks it. Changes come in batches, each
// with a version; every pod carries the version of the batch that last changed its answer.

import type { Clock } from '../base/clock.ts';
import { TRUST_LEVEL_CLAIM } from '../crds/claim-names.ts';
import type { IdentityView, ObjectChange } from '../identity/identity-view.ts';
import { objectIn, type PodObject, textIn } from '../identity/objects.ts';
import type { PodDecision, PodIdentity } from '../identity/pod-identity.ts';
import { isInForce, suspensionsOf } from '../identity/restrict.ts';
import type { Winner } from '../identity/settle.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import { isJsonObject, type JsonObject, type JsonValue, ownValue } from '../template/json-value.ts';
import type {
  IdentityOfEntry,
  IssuableEntry,
  IssuablePod,
  PodChange,
  PodSource,
  RestrictedCertificate,
  Suspension,
} from './pod-source.ts';

export type IdentityPodSourceOptions = {
  readonly view: IdentityView;
  readonly driverName: string;
  readonly clock: Clock;
  /** Told what is wrong with an object that serves nobody for it. */
  readonly onBadObject: (change: ObjectChange, errors: readonly string[]) => void;
};

/** Looks this often for restrictions whose time is over. */
const LOOK_EVERY_MS = 1000;

export class IdentityPodSource implements PodSource {
  readonly #options: IdentityPodSourceOptions;
  readonly #listeners = new Set<(change: PodChange) => void>();
  /** Answers made since the pod last changed. */
  readonly #answers = new Map<string, IssuablePod>();
  readonly #versions = new Map<string, bigint>();
  readonly #nodes = new Map<string, string>();
  #version = 0n;

  constructor(options: IdentityPodSourceOptions) {
    this.#options = options;
  }

  get version(): bigint {
    return this.#version;
  }

  get restrictionVersion(): bigint {
    return this.#options.view.restrictions.version;
  }

  readonly isFresh = (): boolean => this.#version > 0n;

  /** Takes in a batch of changes and tells listeners which pods they concern. */
  apply(changes: readonly ObjectChange[], version: bigint): void {
    for (const change of changes) {
      const errors = this.#options.view.apply(change);
      if (errors.length > 0) this.#options.onBadObject(change, errors);
    }
    this.#flush(version);
  }

  pod(uid: string): IssuablePod | undefined {
    const known = this.#answers.get(uid);
    if (known !== undefined) return known;
    const { view, clock, driverName } = this.#options;
    const decision = view.decision(uid, clock.now());
    // What is not known well enough is not known at all: silence ends nothing.
    if (decision === undefined || decision.refusal === 'ViewBehind') return undefined;
    const answer = {
      ...toIssuable(decision, driverName, this.#versions.get(uid) ?? this.#version),
      suspended: suspendedOf(decision, view.index.pods.get(uid)?.winners ?? []),
    };
    this.#answers.set(uid, answer);
    return answer;
  }

  isGone(uid: string): boolean {
    return this.isFresh() && this.#options.view.index.pods.get(uid) === undefined;
  }

  *podsOn(node: string): Iterable<IssuablePod> {
    for (const { object } of this.#options.view.index.pods.onNode(node)) {
      const pod = this.pod(object.uid);
      if (pod !== undefined && pod.volumes.length > 0) yield pod;
    }
  }

  suspensions(): ReadonlySet<string> {
    const { view, clock } = this.#options;
    const now = clock.now();
    const inForce = [...view.restrictions.all].filter(
      (each) => each.suspend && isInForce(each, now),
    );
    return new Set(inForce.map(({ name }) => name));
  }

  suspending(certificate: RestrictedCertificate): readonly Suspension[] {
    const { view, clock } = this.#options;
    const { podUid, entryId, namespace, serviceAccount, node: nodeName } = certificate;
    const known = view.index.pods.get(podUid);
    const winner = known?.winners.find(({ entry }) => entry.policy.uid === entryId);
    // What cannot be told to be about an ID is not about it: what is about pods still is.
    const spiffeId = (certificate.spiffeId ?? winner?.entry.spiffeId ?? '') as SpiffeId;
    // By the entry now, like the pod itself; as issued where there is none. What is known of neither
    // is not judged by its level while the pod is there: it may get its entry back.
    const claims = winner?.entry.jwtClaims;
    const trustLevel =
      claims === undefined
        ? (certificate.trustLevel ?? (known === undefined ? '' : undefined))
        : (claims[TRUST_LEVEL_CLAIM] ?? '');
    const identity = { spiffeId, trustLevel };
    const { owners = [] } = certificate;
    const pod = known?.object ?? { uid: podUid, namespace, serviceAccount, nodeName, owners };
    const question = { restrictions: view.restrictions.all, now: clock.now() };
    return suspensionsOf(pod, identity, question).map(({ name, until }) => ({
      name,
      isForGood: until === undefined,
    }));
  }

  onChange(listener: (change: PodChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Gives back what restrictions took whose time is over, until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, view } = this.#options;
    let seen = clock.now();
    while (!signal.aborted) {
      await clock.sleep(LOOK_EVERY_MS, signal);
      const now = clock.now();
      if (view.restrictions.endedBetween(seen, now).length > 0) this.#flush(this.#version + 1n);
      seen = now;
    }
  }

  #flush(version: bigint): void {
    const { view, clock } = this.#options;
    this.#version = version;
    for (const podUid of view.takeChanged(clock.now())) {
      const object = view.index.pods.get(podUid)?.object;
      const node = object?.nodeName ?? this.#nodes.get(podUid) ?? '';
      this.#answers.delete(podUid);
      if (object === undefined) {
        this.#versions.delete(podUid);
        this.#nodes.delete(podUid);
      } else {
        this.#versions.set(podUid, version);
        this.#nodes.set(podUid, node);
      }
      // Nothing is said of a pod that cannot be judged: the node keeps what it was told before.
      if (view.index.pod(podUid)?.refusal === 'ViewBehind') continue;
      const change = { podUid, node, gone: object === undefined };
      for (const listener of this.#listeners) listener(change);
    }
  }
}

/** The pod's volumes of a driver. */
export function volumesOf(pod: PodObject, driverName: string): IssuablePod['volumes'] {
  const volumes: JsonValue = ownValue(pod.spec, 'volumes') ?? [];
  if (!Array.isArray(volumes)) return [];
  return (volumes as readonly JsonValue[]).filter(isJsonObject).flatMap((volume) => {
    const csi = objectIn(volume, 'csi');
    if (textIn(csi, 'driver') !== driverName) return [];
    return [
      { name: textIn(volume, 'name'), attributes: stringsOf(objectIn(csi, 'volumeAttributes')) },
    ];
  });
}

function stringsOf(object: JsonObject): Readonly<Record<string, string>> {
  const pairs = Object.entries(object).filter(
    (pair): pair is [string, string] => typeof pair[1] === 'string',
  );
  return Object.fromEntries(pairs);
}

function toIssuable(decision: PodDecision, driverName: string, version: bigint): IssuablePod {
  const { pod } = decision;
  return {
    uid: pod.uid,
    namespace: pod.namespace,
    name: pod.name,
    serviceAccount: pod.serviceAccount,
    node: pod.nodeName,
    phase: pod.phase,
    deletionRequestedAt: pod.deletionRequestedAt,
    deletionGraceSeconds: pod.deletionGraceSeconds,
    version,
    owners: pod.owners,
    entries: decision.identities.map(toEntry),
    refusal: decision.refusal,
    volumes: volumesOf(pod, driverName),
  };
}

function suspendedOf(
  { identities }: PodDecision,
  winners: readonly Winner[],
): readonly IdentityOfEntry[] {
  return winners
    .filter(({ entry }) => !identities.some(({ policyUid }) => policyUid === entry.policy.uid))
    .map(({ entry: { policy, spiffeId, jwtClaims } }) => {
      return { entryId: policy.uid, spiffeId, jwtClaims };
    });
}

function toEntry(identity: PodIdentity): IssuableEntry {
  const { policyUid, limits, ...rest } = identity;
  return { ...rest, entryId: policyUid, limits };
}
