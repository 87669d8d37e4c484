// What the issuer has said about this node, newest first: the bundles, and one whole answer a pod.
// Versions only rise: an older view is ignored. Absence says nothing; only a newer answer without
// an entry, or a pod said to be gone, ends anything.

import { CodedError } from '../base/errors.ts';
import { Latest } from '../base/latest.ts';
import type { Logger } from '../base/log.ts';
import { parseTrustDomain, parseWorkloadSpiffeId, type TrustDomain } from '../spiffe/spiffe-id.ts';
import type {
  Bundle,
  Bundles,
  Entry,
  PodIdentities,
  ToNode,
} from '../transport/gen/signet/issuer_pb.ts';
import { readIssuerBundle } from './issuer-bundle.ts';
import { newerCrls } from './issuer-crls.ts';
import type { PodIdentity, WorkloadBundle } from './svid/pod-answer.ts';

/** What the issuer says of one identity; its SVID is another matter. */
export type PodEntry = PodIdentity & {
  /** Changes when anything that shapes the SVID changes. */
  readonly contentDigest: string;
};

export type PodView = {
  readonly podUid: string;
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
  readonly version: bigint;
  readonly entries: readonly PodEntry[];
  /** Why there are no entries; a reason constant. */
  readonly refusal: string;
  /** The pod object is gone: nothing more is signed for it. */
  readonly gone: boolean;
  /** Those of our driver that the pod declares. */
  readonly volumes: readonly DeclaredVolume[];
};

export type DeclaredVolume = {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
};

export type NodeViewOptions = {
  readonly log: Logger;
  /** Whose identities and whose own bundle are taken in, and no other's. */
  readonly trustDomain: TrustDomain;
  readonly onPod: (podUid: string) => void;
  /** `endsTokens`: what was signed before may be worth nothing now. */
  readonly onBundles: (endsTokens: boolean) => void;
  /** The issuer has said all it knows, and nothing of this pod. */
  readonly onAbsent: (podUid: string) => void;
  /** The issuer has said that the pod is gone, whether it was known here or not. */
  readonly onGone: (podUid: string) => void;
};

export class NodeView {
  /** Set when the issuer has said all it knows; again after each new stream. */
  readonly synced = new Latest<true>();
  readonly #options: NodeViewOptions;
  readonly #pods = new Map<string, PodView>();
  readonly #federated = new Map<TrustDomain, WorkloadBundle>();
  #own: WorkloadBundle | undefined;
  /** Pods that the issuer has not named again since its stream began. */
  #unnamed = new Set<string>();
  #restrictionVersion = 0n;

  constructor(options: NodeViewOptions) {
    this.#options = options;
  }

  /** The trust domain's own bundle; undefined until the issuer was reached once. */
  get own(): WorkloadBundle | undefined {
    return this.#own;
  }

  /** The newest that was seen. */
  get restrictionVersion(): bigint {
    return this.#restrictionVersion;
  }

  federated(trustDomain: TrustDomain): WorkloadBundle | undefined {
    return this.#federated.get(trustDomain);
  }

  pod(podUid: string): PodView | undefined {
    return this.#pods.get(podUid);
  }

  /** Forgets a pod that nobody is served for. */
  forget(podUid: string): void {
    this.#pods.delete(podUid);
  }

  /** A new stream begins: all that the issuer knows of this node comes again, up to `synced`. */
  beginSync(): void {
    this.#unnamed = new Set(this.#pods.keys());
  }

  /** Takes in one message; what does not parse throws and changes nothing. */
  apply({ message }: ToNode): void {
    switch (message.case) {
      case 'bundles':
        this.#applyBundles(message.value);
        return;
      case 'podIdentities':
        this.#applyPod(readPod(message.value, this.#options.trustDomain));
        return;
      case 'podGone': {
        const pod = this.#pods.get(message.value.podUid);
        if (pod !== undefined) {
          this.#applyPod({ ...pod, gone: true, version: message.value.version });
        }
        this.#options.onGone(message.value.podUid);
        return;
      }
      case 'synced':
        for (const podUid of this.#unnamed) this.#options.onAbsent(podUid);
        this.#unnamed.clear();
        this.synced.set(true);
        return;
      case 'auditCheckpoint':
      case undefined:
    }
  }

  #applyPod(pod: PodView): void {
    this.#unnamed.delete(pod.podUid);
    const before = this.#pods.get(pod.podUid);
    if (before !== undefined && pod.version < before.version) {
      this.#options.log.debug({ podUid: pod.podUid }, 'Ignored an older view of a pod');
      return;
    }
    this.#pods.set(pod.podUid, pod);
    this.#options.onPod(pod.podUid);
  }

  #applyBundles(bundles: Bundles): void {
    const { log, trustDomain } = this.#options;
    if (bundles.own === undefined) throw new CodedError('internal', 'bundles.own: missing');
    const crls = newerCrls(this.#own?.crls ?? [], bundles.crls, log);
    const own = { ...readIssuerBundle(bundles.own), crls };
    if (own.trustDomain !== trustDomain || own.x509.length === 0) {
      throw new CodedError('internal', `bundles.own: not a usable bundle of ${trustDomain}`);
    }
    if (this.#own !== undefined && own.sequence < this.#own.sequence) {
      log.warn({ reason: 'OlderBundle' }, 'Ignored a bundle of a lower sequence');
      return;
    }
    const federated = bundles.federated
      .map((bundle) => readFederated(bundle, log))
      .filter((bundle) => bundle !== undefined)
      .filter((bundle) => bundle.trustDomain !== trustDomain);
    const isRestricted = bundles.restrictionVersion > this.#restrictionVersion;
    const endsTokens = this.#own !== undefined && (isRestricted || lacksKeyOf(own, this.#own));
    this.#own = keep(this.#own, own);
    const named = new Set(federated.map((bundle) => bundle.trustDomain));
    for (const trustDomain of this.#federated.keys()) {
      if (!named.has(trustDomain)) this.#federated.delete(trustDomain);
    }
    for (const bundle of federated) {
      const { trustDomain } = bundle;
      this.#federated.set(trustDomain, keep(this.#federated.get(trustDomain), bundle));
    }
    // The newest ever seen: what the next issuer must not be older than.
    if (isRestricted) this.#restrictionVersion = bundles.restrictionVersion;
    this.#options.onBundles(endsTokens);
  }
}

// The same content keeps its object, so that nothing downstream takes it for a change.
function keep(before: WorkloadBundle | undefined, now: WorkloadBundle): WorkloadBundle {
  const same =
    before !== undefined &&
    before.sequence === now.sequence &&
    Buffer.compare(before.x509, now.x509) === 0 &&
    Buffer.compare(before.jwks, now.jwks) === 0 &&
    (before.crls === now.crls || (before.crls.length === 0 && now.crls.length === 0));
  return same ? before : now;
}

/** Whether a JWT key was taken away or replaced: one more ends no token. */
function lacksKeyOf(now: WorkloadBundle, before: WorkloadBundle): boolean {
  if (Buffer.compare(now.jwks, before.jwks) === 0) return false;
  const keys = jwtKeysOf(now);
  return [...jwtKeysOf(before)].some((key) => !keys.has(key));
}

function jwtKeysOf({ jwks }: WorkloadBundle): ReadonlySet<string> {
  if (jwks.length === 0) return new Set();
  const { keys } = JSON.parse(Buffer.from(jwks).toString('utf8')) as { keys: readonly unknown[] };
  return new Set(keys.map((key) => JSON.stringify(key)));
}

// A federated bundle that cannot be used is that trust domain's loss, nobody else's.
function readFederated(bundle: Bundle, log: Logger): WorkloadBundle | undefined {
  try {
    return readIssuerBundle(bundle);
  } catch (err) {
    log.warn({ err }, 'Left out the bundle of a federated trust domain');
    return undefined;
  }
}

function readPod(pod: PodIdentities, trustDomain: TrustDomain): PodView {
  return {
    podUid: pod.podUid,
    namespace: pod.namespace,
    name: pod.name,
    serviceAccount: pod.serviceAccount,
    version: pod.version,
    entries: pod.entries.map((entry) => readEntry(entry, trustDomain)),
    refusal: pod.refusal === '' ? 'NoPolicy' : pod.refusal,
    gone: false,
    volumes: pod.volumes.map(({ name, attributes }) => ({ name, attributes: { ...attributes } })),
  };
}

function readEntry(entry: Entry, trustDomain: TrustDomain): PodEntry {
  return {
    entryId: entry.entryId,
    spiffeId: parseWorkloadSpiffeId(entry.spiffeId, trustDomain),
    hint: entry.hint,
    federatesWith: entry.federatesWith.map(parseTrustDomain),
    jwtDenied: entry.jwtDenied,
    jwtSingleUse: entry.jwtSingleUse,
    sdsDenied: entry.sdsDenied,
    contentDigest: Buffer.from(entry.contentDigest).toString('hex'),
  };
}
