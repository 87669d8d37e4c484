// The controller of a cluster, put together: the webhook in every replica, and what writes in the one
// that leads. It holds no signing key and no connection to the issuer.

import { randomUUID } from 'node:crypto';
import type { AuditLog } from '../audit/audit-log.ts';
import type { AuditTrail } from '../audit/audit-trail.ts';
import { aborted } from '../base/aborted.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { IdentitySettings } from '../identity/settings.ts';
import type { KubeAccess } from '../kube/kube-access.ts';
import { KubeClient } from '../kube/kube-client.ts';
import { LeaderElection } from '../kube/leader-election.ts';
import { type CrlServerOptions, serveCrls } from '../public/crl-server.ts';
import { HealthServer } from '../transport/health/health-server.ts';
import { createWebhookServer, type WebhookServer } from '../webhook/webhook-server.ts';
import { controllerTrail } from './audit.ts';
import { ClusterState } from './cluster-state.ts';
import type { ControllerContext } from './controller-context.ts';
import { type EndpointSettings, serveBundle } from './federation/endpoint.ts';
import type { FetchSettings } from './federation/federated-trust-domains.ts';
import { type BundlePlaces, lead, observe } from './leader.ts';
import { type OidcOptions, serveOidc } from './oidc.ts';
import { PublicAuthorities } from './public-authorities.ts';
import { ServingCertificate } from './serving-certificate.ts';
import { WebhookAuthorities } from './webhook-authorities.ts';

export type ControllerProcessOptions = {
  readonly settings: IdentitySettings;
  readonly driverName: string;
  readonly access: KubeAccess;
  /** Where Signet is installed. */
  readonly namespace: string;
  /** The pod that this runs in, for Lease and Events. */
  readonly podName: string;
  readonly webhook: { readonly host?: string; readonly port: number };
  readonly health: { readonly host?: string; readonly port: number };
  /** Write nothing, the Lease included. */
  readonly observes: boolean;
  /** Take over from a SPIRE that is still there. */
  readonly adopts: boolean;
  readonly publishes: BundlePlaces;
  readonly federation?: FederationSettings;
  /** Where revocation lists are served over plain HTTP; left out: nowhere. */
  readonly crl?: Omit<CrlServerOptions, 'crls'>;
  /** Left out: no OpenID Connect documents. */
  readonly oidc?: OidcOptions;
  /** Lines on what it changes; default: none. */
  readonly audit?: AuditLog;
  readonly clock: Clock;
  readonly log: Logger;
  readonly version: string;
  /** How often to look for new authorities. */
  readonly lookEveryMs?: number;
  /** Called once both ports answer. */
  readonly onListening?: (ports: { readonly webhook: number; readonly health: number }) => void;
};

export type FederationSettings = {
  readonly fetch: FetchSettings;
  /** Undefined: our own bundle is not served to others. */
  readonly endpoint?: EndpointSettings;
};

const NO_FETCH_RULES: FetchSettings = { allow: [], deny: [] };
const LEASE = 'signet-controller';

/** Runs until aborted; rejects when a part fails that cannot go on by itself. */
export async function runController(
  options: ControllerProcessOptions,
  signal: AbortSignal,
): Promise<void> {
  const { log, clock, oidc } = options;
  const { client, context, certificate, authorities, webhook, election, trail } = compose(options);
  const stop = new AbortController();
  const onAbort = () => stop.abort();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  let isServing = false;
  let isTrusted = options.observes;
  const health = new HealthServer({
    ...options.health,
    missing: () => [
      ...certificate.missing,
      ...(isServing ? [] : ['webhook: does not listen yet']),
      // Once is enough: later it is no reason to send API servers elsewhere.
      ...(isTrusted ? [] : ['webhook: API servers do not trust it yet']),
      ...context.state.missing,
    ],
  });
  const trust = async () => {
    await new WebhookAuthorities(context, authorities).inForce(stop.signal);
    isTrusted = true;
    await aborted(stop.signal);
  };
  const serve = async () => {
    await certificate.current.first(() => true, stop.signal);
    if (stop.signal.aborted) return;
    await webhook.start();
    isServing = true;
    const ports = { webhook: webhook.port ?? 0, health: health.port };
    log.info({ settings: ports }, 'Answers API servers');
    options.onListening?.(ports);
    await aborted(stop.signal);
  };
  const running: Promise<void>[] = [];
  // The first part that ends stops the others.
  const run = (part: Promise<void>) => running.push(part.finally(onAbort));
  try {
    await health.listen();
    run(context.state.run(stop.signal));
    run(certificate.run(stop.signal));
    run(authorities.run(stop.signal));
    if (trail !== undefined) run(trail.run(stop.signal));
    run(serve());
    run(trust());
    const endpoint = options.federation?.endpoint;
    if (endpoint) run(serveBundle(endpoint, { context, authorities }, stop.signal));
    if (options.crl) run(serveCrls({ ...options.crl, crls: authorities.crls }, stop.signal));
    if (oidc !== undefined) {
      const from = { authorities: authorities.current, certificate: certificate.current };
      run(serveOidc(oidc, { ...from, clock, log }, stop.signal));
    }
    if (options.observes) run(observe(context, stop.signal));
    else {
      const { podName, adopts, publishes } = options;
      const federation = options.federation?.fetch ?? NO_FETCH_RULES;
      run(
        election.run(async ({ signal: term }) => {
          await lead({ context, authorities, podName, adopts, publishes, federation }, term);
        }, stop.signal),
      );
    }
    await aborted(stop.signal);
  } finally {
    onAbort();
    signal.removeEventListener('abort', onAbort);
    await Promise.allSettled(running);
    await trail?.end();
    await webhook.close();
    await health.close();
    client.close();
  }
  await Promise.all(running);
}

function compose(options: ControllerProcessOptions) {
  const { settings, driverName, access, namespace, podName, clock, log } = options;
  const client = new KubeClient({
    access,
    clock,
    userAgent: `signet-controller/${options.version}`,
  });
  const state = new ClusterState({ client, settings, driverName, clock, log });
  const certificate = new ServingCertificate({ client, namespace, clock, log });
  const { trustDomain } = settings;
  const { audit, observes } = options;
  const from = { trustDomain, certificate: certificate.current, client, namespace, observes };
  const trail: AuditTrail | undefined =
    audit === undefined ? undefined : controllerTrail({ ...from, audit, clock, log });
  const context: ControllerContext = {
    client,
    clock,
    log,
    namespace,
    driverName,
    state,
    ...(trail === undefined ? {} : { audit: trail }),
  };
  const authorities = new PublicAuthorities({
    client,
    namespace,
    trustDomain,
    clock,
    log,
    ...(options.lookEveryMs === undefined ? {} : { lookEveryMs: options.lookEveryMs }),
  });
  const webhook: WebhookServer = createWebhookServer({
    settings: { driverName, ownNamespace: namespace },
    admission: settings,
    namespaces: state,
    certificate: certificate.current,
    address: options.webhook,
    log,
  });
  const election = new LeaderElection({
    client,
    lease: { namespace, name: LEASE },
    identity: `${podName}_${randomUUID()}`,
    clock,
    log,
  });
  return { client, context, certificate, authorities, webhook, election, trail };
}
