// The issuer of a cluster, put together: watches, authorities from Secrets, callers by TokenReview, a
// port for node plugins and one for probes.

import { LeaseAnchor } from '../audit/audit-anchor.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import { aborted } from '../base/aborted.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { ClusterView } from '../cluster-view/cluster-view.ts';
import { IdentityView } from '../identity/identity-view.ts';
import type { IdentitySettings } from '../identity/settings.ts';
import { type KubeAccess, serviceAccountAccess } from '../kube/kube-access.ts';
import { KubeClient } from '../kube/kube-client.ts';
import { reviewToken } from '../kube/token-review.ts';
import type { WorkloadKeyType } from '../spiffe/x509-svid/workload-public-key.ts';
import { GrpcServer } from '../transport/grpc/grpc-server.ts';
import { HealthServer } from '../transport/health/health-server.ts';
import { type NodePluginPlace, pluginNodes } from './cluster/caller-pod.ts';
import { ClusterFederation } from './cluster/cluster-federation.ts';
import { ClusterPodSource } from './cluster/cluster-pod-source.ts';
import { SecretAuthorityStore } from './cluster/secret-authority-store.ts';
import { SelfReview } from './cluster/self-review.ts';
import { TokenReviewAuthenticator } from './cluster/token-review-authenticator.ts';
import { IdentityPodSource } from './identity-pod-source.ts';
import { createIssuer, type Issuer } from './issuer.ts';
import { IssuerListener } from './issuer-listener.ts';
import { MAX_WATCH_MS } from './watch/node-watch.ts';

export type IssuerProcessOptions = {
  readonly settings: IdentitySettings;
  readonly driverName: string;
  readonly access: KubeAccess;
  /** Where the Secrets of the authorities are. */
  readonly namespace: string;
  readonly plugin: NodePluginPlace;
  readonly listen: { readonly host?: string; readonly port: number };
  readonly health: { readonly host?: string; readonly port: number };
  readonly maxStalenessMs: number;
  /** `iss` of JWT-SVIDs. */
  readonly jwtIssuer?: string;
  /** Types of workloads' keys; default: all that there are. */
  readonly keyTypes?: ReadonlySet<WorkloadKeyType>;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Logger;
  readonly version: string;
  /** Called once both ports answer. */
  readonly onListening?: (ports: { readonly issuer: number; readonly health: number }) => void;
};

/** How a pod of the cluster reaches the API server: the origin, and the directory with its token. */
export function clusterAccess(url: string, directory: string, clock: Clock): KubeAccess {
  return serviceAccountAccess({ url, directory, clock });
}

/** A caller waits for it, for five seconds: an earlier review has to do before that. */
const REVIEW_TIMEOUT_MS = 3000;

/** Runs until aborted; rejects when a part fails that cannot go on by itself. */
export async function runIssuer(options: IssuerProcessOptions, signal: AbortSignal): Promise<void> {
  const { log } = options;
  const parts = compose(options);
  const { issuer, view, source, selfReview, reviewer, client } = parts;
  const stop = new AbortController();
  const onAbort = () => stop.abort();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  const running: Promise<void>[] = [];
  // The first part that fails stops the others.
  const run = (part: Promise<void>) => running.push(part.finally(onAbort));
  const missing = () => [...missingOf(parts), ...selfReview.missing];
  const health = new HealthServer({ ...options.health, missing });
  const server = new GrpcServer({ services: [issuer.service] });
  try {
    await health.listen();
    run(view.run(stop.signal));
    run(source.run(stop.signal));
    run(issuer.run(stop.signal));
    run(parts.federation.run(stop.signal));
    // Ends by itself when it is content.
    running.push(selfReview.run(stop.signal));
    await issuer.authorities.first(() => true, stop.signal);
    if (!stop.signal.aborted) {
      const listener = new IssuerListener({
        address: options.listen,
        authorities: issuer.authorities,
        accept: (connection) => server.accept(connection),
        log,
      });
      await listener.start();
      options.onListening?.({ issuer: listener.port ?? 0, health: health.port });
      run(listener.run(stop.signal));
    }
    await Promise.race(
      running.map(async (part) => await part.then(async () => await aborted(stop.signal))),
    );
  } finally {
    stop.abort();
    signal.removeEventListener('abort', onAbort);
    await server.close();
    await Promise.allSettled(running);
    await health.close();
    client.close();
    reviewer.close();
  }
  await Promise.all(running);
}

function compose(options: IssuerProcessOptions) {
  const { settings, driverName, access, clock, log, audit, maxStalenessMs } = options;
  const { trustDomain } = settings;
  const kube = { access, clock, userAgent: `signet-issuer/${options.version}` };
  const client = new KubeClient(kube);
  const { answers } = client;
  const reviewer = new KubeClient({ ...kube, answers, timeoutMs: REVIEW_TIMEOUT_MS });
  const identities = new IdentityView(settings);
  const source = new IdentityPodSource({
    view: identities,
    driverName,
    clock,
    onBadObject: ({ kind, name }, errors) => {
      log.warn({ path: `${kind}/${name}`, message: errors.join('; ') }, 'An object serves nobody');
    },
  });
  const view = new ClusterView({
    client,
    settings,
    driverName,
    // Versions of kinds are of one sequence; a watch that is behind the others takes nothing back.
    apply: (changes, version) => {
      issuer.noteChanges(changes);
      source.apply(changes, version > source.version ? version : source.version);
    },
    clock,
    log,
  });
  const pods = new ClusterPodSource({
    source,
    view,
    now: () => clock.now(),
    answers,
    maxStalenessMs,
  });
  const { namespace } = options;
  const federation = new ClusterFederation({
    ownTrustDomain: trustDomain,
    ownKeys: () => issuer.authorities.value?.ownKeys,
    client,
    namespace,
    clock,
    log,
  });
  const issuer: Issuer = createIssuer({
    trustDomain,
    federation,
    store: new SecretAuthorityStore({ client, namespace }),
    pods,
    authenticator: new TokenReviewAuthenticator({
      audience: `signet-issuer/${trustDomain}`,
      place: options.plugin,
      review: async (token, audiences) => await reviewToken(reviewer, token, audiences),
      pod: (uid) => identities.index.pods.get(uid)?.object,
      clock,
      // At the latest it was reviewed for a watch, and its view is too old by then anyway.
      whileDownMs: maxStalenessMs + MAX_WATCH_MS,
    }),
    audit,
    anchor: new LeaseAnchor(client, namespace),
    clock,
    log,
    nodes: () =>
      pluginNodes(identities.index.pods.inNamespace(options.plugin.namespace), options.plugin),
    settings: {
      keepsAuthorities: false,
      ...(options.jwtIssuer === undefined ? {} : { jwtIssuer: options.jwtIssuer }),
      ...(options.keyTypes === undefined ? {} : { keyTypes: options.keyTypes }),
    },
  });
  const selfReview = new SelfReview({
    review: async () => await reviewToken(reviewer, (await access.credentials()).token ?? '', []),
    clock,
    log,
  });
  return { issuer, view, pods, source, selfReview, client, reviewer, federation };
}

/** Why nobody can be signed for now. */
function missingOf({
  issuer,
  view,
  pods,
}: {
  readonly issuer: Issuer;
  readonly view: ClusterView;
  readonly pods: ClusterPodSource;
}): readonly string[] {
  if (issuer.authorities.value === undefined) return ['authorities: none yet'];
  if (issuer.isRolledBack) {
    return ['authorities: StateRolledBack; see signet authority accept-restore'];
  }
  if (!view.isReady) return ['view: not everything was seen yet'];
  if (!pods.isFresh()) return ['view: too old to sign by'];
  return issuer.ready ? [] : ['authorities: expired'];
}
