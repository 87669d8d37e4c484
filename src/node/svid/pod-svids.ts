// One pod's SVIDs and the answer that follows from them and from the issuer's newest word. Pure
// state: what to sign and what to show; who signs and when is the manager's business.

import { Latest } from '../../base/latest.ts';
import type { NodeView, PodEntry, PodView } from '../node-view.ts';
import type { VolumeRecord } from '../volume/volume-records.ts';
import { type HeldSvid, isDue, toIdentity } from './held-svid.ts';
import type { JwtSvids } from './jwt-svids.ts';
import { PENDING, type PodAnswer, sameAnswer, UNKNOWN } from './pod-answer.ts';

type RefusedEntry = {
  readonly contentDigest: string;
  readonly reason: string;
  /** The issuer may think otherwise later, without a word about this pod. */
  readonly askAgainAt: number;
};

const ASK_AGAIN_AFTER_MS = 30_000;

export class PodSvids {
  readonly answer = new Latest<PodAnswer>();
  readonly jwtSvids: JwtSvids;
  readonly #held = new Map<string, HeldSvid>();
  readonly #refused = new Map<string, RefusedEntry>();
  #volume: VolumeRecord | undefined;

  constructor(jwtSvids: JwtSvids) {
    this.jwtSvids = jwtSvids;
    this.answer.set(UNKNOWN);
  }

  get volume(): VolumeRecord | undefined {
    return this.#volume;
  }

  get held(): Iterable<HeldSvid> {
    return this.#held.values();
  }

  /** The pod's volume is there: what was refused for want of it may be asked for again. */
  publish(volume: VolumeRecord): void {
    this.#volume = volume;
    this.#refused.clear();
  }

  accept(svid: HeldSvid): void {
    this.#refused.delete(svid.entryId);
    this.#held.set(svid.entryId, svid);
  }

  refuse(entry: PodEntry, reason: string, now: number): void {
    const { entryId, contentDigest } = entry;
    this.#refused.set(entryId, { contentDigest, reason, askAgainAt: now + ASK_AGAIN_AFTER_MS });
  }

  /**
   * The entries that need an SVID now; none once the pod object is gone. One whose root left the
   * bundle is worth nothing any more.
   */
  due(view: PodView, now: number, rootNames: ReadonlySet<string> | undefined): readonly PodEntry[] {
    if (view.gone) return [];
    return view.entries.filter((entry) => {
      const refused = this.#refused.get(entry.entryId);
      const stands = refused?.contentDigest === entry.contentDigest && now < refused.askAgainAt;
      const held = this.#held.get(entry.entryId);
      const isTrusted = held === undefined || rootNames?.has(held.rootName) !== false;
      return !stands && (!isTrusted || isDue(held, entry, now));
    });
  }

  /** Whether an entry names the ID, has no SVID that is shown, and was not refused one. */
  isPending(view: PodView, spiffeId: string): boolean {
    const { value } = this.answer;
    const shown =
      value?.kind === 'served' &&
      value.identities.some((identity) => identity.spiffeId === spiffeId);
    return (
      !shown &&
      !view.gone &&
      view.entries.some((entry) => entry.spiffeId === spiffeId && !this.#refused.has(entry.entryId))
    );
  }

  hasExpired(now: number): boolean {
    for (const svid of this.#held.values()) if (now >= svid.notAfter) return true;
    return false;
  }

  /** Shows what is true now; a workload sees a message only when it differs from the last one. */
  show(view: NodeView, podUid: string, now: number): void {
    const next = this.#answer(view, podUid, now);
    if (!sameAnswer(this.answer.value ?? UNKNOWN, next)) this.answer.set(next);
  }

  #answer(view: NodeView, podUid: string, now: number): PodAnswer {
    const pod = view.pod(podUid);
    const { own } = view;
    if (pod === undefined || own === undefined) return UNKNOWN;
    if (this.#volume !== undefined && !isSamePod(pod, this.#volume)) {
      return { kind: 'refused', reason: 'PodMismatch' };
    }
    this.#dropWithdrawn(pod);
    if (pod.entries.length === 0) return { kind: 'refused', reason: pod.refusal };
    const identities = pod.entries
      .map((entry) => toIdentity(this.#held.get(entry.entryId), entry, now))
      .filter((identity) => identity !== undefined);
    if (identities.length === 0) return this.#withoutIdentity(pod);
    const federated = [...new Set(identities.flatMap((identity) => identity.federatesWith))]
      .map((trustDomain) => view.federated(trustDomain))
      .filter((bundle) => bundle !== undefined);
    return { kind: 'served', identities, own, federated };
  }

  // Keys of entries that a newer answer no longer names are dropped with their SVIDs.
  #dropWithdrawn(pod: PodView): void {
    const named = new Set(pod.entries.map((entry) => entry.entryId));
    for (const entryId of this.#held.keys()) if (!named.has(entryId)) this.#held.delete(entryId);
    for (const entryId of this.#refused.keys()) {
      if (!named.has(entryId)) this.#refused.delete(entryId);
    }
  }

  // Entries, but nothing to serve: all refused by the issuer, or an ID was replaced and its
  // successor is not signed yet (the old one must go), or the SVIDs are simply not there.
  #withoutIdentity(pod: PodView): PodAnswer {
    const reasons = pod.entries.map((entry) => this.#refused.get(entry.entryId)?.reason);
    const [first] = reasons;
    if (first !== undefined && !reasons.includes(undefined)) {
      return { kind: 'refused', reason: first };
    }
    const replaced = pod.entries.some((entry) => {
      const held = this.#held.get(entry.entryId);
      return held !== undefined && held.spiffeId !== entry.spiffeId;
    });
    return replaced ? { kind: 'refused', reason: 'EntryChanged' } : PENDING;
  }
}

/** Whether the kubelet and the issuer mean the same pod. */
export function isSamePod(pod: PodView, volume: VolumeRecord): boolean {
  return (
    pod.namespace === volume.namespace &&
    pod.name === volume.podName &&
    pod.serviceAccount === volume.serviceAccount
  );
}
