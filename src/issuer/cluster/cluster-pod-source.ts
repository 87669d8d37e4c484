// The issuer's pods in a cluster: derived identities, with what watches know of their age.

import type { ClusterView } from '../../cluster-view/cluster-view.ts';
import { isViewFresh, MAX_STALL_MS } from '../../cluster-view/view-freshness.ts';
import type { ApiAnswers } from '../../kube/api-answers.ts';
import type { IdentityPodSource } from '../identity-pod-source.ts';
import type {
  IssuablePod,
  PodChange,
  PodSource,
  RestrictedCertificate,
  Suspension,
} from '../pod-source.ts';

export type ClusterPodSourceOptions = {
  readonly source: IdentityPodSource;
  readonly view: ClusterView;
  readonly now: () => number;
  readonly answers: ApiAnswers;
  /** How long known pods are served without an API server. */
  readonly maxStalenessMs: number;
};

export class ClusterPodSource implements PodSource {
  readonly #options: ClusterPodSourceOptions;

  constructor(options: ClusterPodSourceOptions) {
    this.#options = options;
  }

  readonly isFresh = (): boolean => {
    const { view, now, answers, maxStalenessMs } = this.#options;
    if (!view.isReady) return false;
    const { progressAt } = view;
    const answeredMs = answers.since(progressAt);
    return isViewFresh({ now: now(), progressAt, answeredMs, maxStalenessMs });
  };

  get version(): bigint {
    return this.#options.source.version;
  }

  get restrictionVersion(): bigint {
    return this.#options.view.restrictionVersion;
  }

  get restrictionsKnownTo(): bigint {
    return this.#options.view.restrictionsKnownTo;
  }

  pod(uid: string): IssuablePod | undefined {
    return this.#options.source.pod(uid);
  }

  podsOn(node: string): Iterable<IssuablePod> {
    return this.#options.source.podsOn(node);
  }

  /** An older view will do to sign by, but not for this. */
  isGone(uid: string): boolean {
    const { view, now, source } = this.#options;
    const age = now() - view.progressAt;
    return view.isReady && age >= 0 && age < MAX_STALL_MS && source.isGone(uid);
  }

  suspensions(): ReadonlySet<string> {
    return this.#options.source.suspensions();
  }

  suspending(certificate: RestrictedCertificate): readonly Suspension[] {
    return this.#options.source.suspending(certificate);
  }

  onChange(listener: (change: PodChange) => void): () => void {
    return this.#options.source.onChange(listener);
  }
}
