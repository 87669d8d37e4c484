// Keeps every pod of the node in SVIDs: a key per entry, signed as soon as the issuer names the
// entry and so usually before the kubelet asks, renewed at half life, and shown as one value a pod.
// Each look at a pod starts from the issuer's newest word, so lost or doubled events do no harm.

import type { Clock } from '../../base/clock.ts';
import { CodedError, invalid } from '../../base/errors.ts';
import type { Latest } from '../../base/latest.ts';
import type { Logger } from '../../base/log.ts';
import { WorkQueue } from '../../base/work-queue.ts';
import type { NodeView, PodEntry } from '../node-view.ts';
import type { PodAnswers } from '../volume/pod-answers.ts';
import type { VolumeRecord } from '../volume/volume-records.ts';
import { type HeldSvid, renewAt } from './held-svid.ts';
import { readIssued } from './issued-chain.ts';
import { JwtSvids, type JwtSvidsOptions } from './jwt-svids.ts';
import { isPassing } from './passing-reasons.ts';
import type { PodAnswer } from './pod-answer.ts';
import { isSamePod, PodSvids } from './pod-svids.ts';
import type { SignedX509, X509Item } from './signing-batch.ts';
import { generateWorkloadKey, type NodeKeyType } from './workload-key.ts';

export type SvidManagerOptions = {
  readonly clock: Clock;
  readonly log: Logger;
  /** Of the keys that are made here; default `ec-p256`. */
  readonly keyType?: NodeKeyType;
  readonly sign: (item: X509Item) => Promise<SignedX509>;
  readonly signJwt: JwtSvidsOptions['sign'];
  readonly onPublished: (podUid: string) => void;
  readonly onUnpublished: (podUid: string) => void;
};

/** How long an old identity may stand in while its successor is being signed. */
const WITHDRAW_AFTER_MS = 400;
const SWEEP_EVERY_MS = 1000;
const PODS_AT_ONCE = 256;
const NEVER = new AbortController().signal;

export class SvidManager implements PodAnswers {
  readonly #options: SvidManagerOptions;
  readonly #view: NodeView;
  readonly #pods = new Map<string, PodSvids>();
  /** Pods whose last volume is gone: known still, but nothing is signed ahead for them. */
  readonly #ended = new Set<string>();
  readonly #queue: WorkQueue;

  constructor(view: NodeView, options: SvidManagerOptions) {
    this.#view = view;
    this.#options = options;
    this.#queue = new WorkQueue({
      clock: options.clock,
      concurrency: PODS_AT_ONCE,
      onError: (podUid, err, attempt) =>
        options.log.warn({ podUid, err, attempt }, 'Failed to get SVIDs, will retry'),
    });
  }

  answerOf(podUid: string): Latest<PodAnswer> {
    return this.#pod(podUid).answer;
  }

  /** Whether the pod is to have this identity, and its SVID is only not there yet. */
  isPending(podUid: string, spiffeId: string): boolean {
    const view = this.#view.pod(podUid);
    return view !== undefined && this.#pod(podUid).isPending(view, spiffeId);
  }

  jwtSvidsOf(podUid: string): JwtSvids {
    return this.#pod(podUid).jwtSvids;
  }

  requireMatch(volume: VolumeRecord): void {
    const pod = this.#view.pod(volume.podUid);
    if (pod === undefined || isSamePod(pod, volume)) return;
    throw invalid(
      'volume_context: pod info differs from the pod that the issuer knows by this uid',
    );
  }

  published(volume: VolumeRecord): void {
    this.#ended.delete(volume.podUid);
    this.#pod(volume.podUid).publish(volume);
    this.#show(volume.podUid);
    this.#queue.add(volume.podUid);
    this.#options.onPublished(volume.podUid);
  }

  unpublished(podUid: string): void {
    this.#pods.delete(podUid);
    if (this.#view.pod(podUid)?.gone) this.#view.forget(podUid);
    else if (this.#view.pod(podUid) !== undefined) this.#ended.add(podUid);
    this.#options.onUnpublished(podUid);
  }

  /** Every SVID in hand, for the issuer's inventory. */
  *held(): Iterable<HeldSvid & { readonly podUid: string }> {
    for (const [podUid, pod] of this.#pods) {
      for (const svid of pod.held) yield { ...svid, podUid };
    }
  }

  /** The issuer has a newer word on a pod. What it withdraws ends soon, whatever signing does. */
  podChanged(podUid: string): void {
    const view = this.#view.pod(podUid);
    if (view === undefined) return;
    if (view.gone && this.#pods.get(podUid)?.volume === undefined) {
      this.podAbsent(podUid);
      return;
    }
    // Whatever changed may be what a token was allowed by.
    this.#pods.get(podUid)?.jwtSvids.clear();
    this.#queue.add(podUid);
    if (view.entries.length === 0) this.#show(podUid);
    else void this.#withdrawSoon(podUid);
  }

  /** The issuer's whole view does not name the pod. That revokes nothing, and is worth no renewal. */
  podAbsent(podUid: string): void {
    if (this.#pods.get(podUid)?.volume !== undefined) return;
    this.#pods.delete(podUid);
    this.#ended.delete(podUid);
    this.#view.forget(podUid);
  }

  bundlesChanged(endsTokens: boolean): void {
    for (const [podUid, pod] of this.#pods) {
      // Pods that a restriction is about are told of it each; this is every pod of every node.
      if (endsTokens) pod.jwtSvids.clear('soon');
      this.#show(podUid);
      if (this.#due(podUid, pod).length > 0) this.#queue.ensure(podUid);
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#queue.run(async (podUid) => await this.#reconcile(podUid), signal),
      this.#sweep(signal),
    ]);
  }

  // Looks at the wall clock every second, so sleep and clock jumps heal by themselves.
  async #sweep(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(SWEEP_EVERY_MS, signal);
      const now = clock.now();
      for (const [podUid, pod] of this.#pods) {
        if (this.#due(podUid, pod).length > 0) this.#queue.ensure(podUid);
        if (pod.hasExpired(now)) this.#show(podUid);
      }
    }
  }

  async #reconcile(podUid: string): Promise<undefined> {
    const view = this.#view.pod(podUid);
    if (view === undefined || this.#ended.has(podUid)) return;
    const pod = this.#pod(podUid);
    const due = this.#due(podUid, pod);
    const results = await Promise.allSettled(
      due.map(async (entry) => await this.#renew(podUid, pod, entry)),
    );
    this.#show(podUid);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async #renew(podUid: string, pod: PodSvids, entry: PodEntry): Promise<void> {
    const { clock, log, sign, keyType = 'ec-p256' } = this.#options;
    const { entryId, spiffeId, contentDigest } = entry;
    const fields = { podUid, entryId, spiffeId };
    const key = await generateWorkloadKey(keyType);
    const signed = await sign({ podUid, entryId, spiffeId, publicKey: key.publicKey });
    if (!signed.issued) {
      const { reason, message } = signed;
      if (isPassing(reason, pod.volume !== undefined)) {
        throw new CodedError('unavailable', message, { reason });
      }
      pod.refuse(entry, reason, clock.now());
      log.warn({ ...fields, reason, message }, 'Refused an X.509-SVID');
      return;
    }
    const issued = readIssued(signed.chain, { spiffeId, publicKey: key.publicKey });
    const { notAfter } = issued;
    if (this.#view.own?.rootNames.has(issued.rootName) === false) {
      // Of a replica that has not heard yet, or the bundle is on its way.
      throw new CodedError('unavailable', "the SVID's root is not in the bundle");
    }
    const receivedAt = clock.now();
    if (notAfter <= receivedAt) {
      throw new CodedError('unavailable', "the SVID is over by this node's clock, which is ahead");
    }
    pod.accept({
      entryId,
      contentDigest,
      spiffeId,
      ...issued,
      key: key.pkcs8,
      receivedAt,
      renewAt: renewAt(receivedAt, issued, `${podUid}/${entryId}`),
    });
    log.debug({ ...fields, notAfter: new Date(notAfter).toISOString() }, 'Received X.509-SVID');
  }

  async #withdrawSoon(podUid: string): Promise<void> {
    await this.#options.clock.sleep(WITHDRAW_AFTER_MS, NEVER);
    this.#show(podUid);
  }

  #due(podUid: string, pod: PodSvids): readonly PodEntry[] {
    const view = this.#view.pod(podUid);
    if (view === undefined) return [];
    return pod.due(view, this.#options.clock.now(), this.#view.own?.rootNames);
  }

  // A pod that was dropped meanwhile must not come back for it.
  #show(podUid: string): void {
    this.#pods.get(podUid)?.show(this.#view, podUid, this.#options.clock.now());
  }

  #pod(podUid: string): PodSvids {
    let pod = this.#pods.get(podUid);
    if (pod === undefined) {
      const { clock, signJwt } = this.#options;
      pod = new PodSvids(new JwtSvids(podUid, { clock, sign: signJwt }));
      this.#pods.set(podUid, pod);
    }
    return pod;
  }
}
