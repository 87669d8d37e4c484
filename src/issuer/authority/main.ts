// The authority role of a cluster, put together: a run that does what is due and ends. Whoever runs it
// reads the keys of roots; nothing that runs for long does.

import {
  type AuthorityKind,
  type AuthorityState,
  activeOf,
} from '../../authorities/authority-state.ts';
import { type Clock, sleepUntil } from '../../base/clock.ts';
import { CodedError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { type KubeAccess, serviceAccountAccess } from '../../kube/kube-access.ts';
import { KubeClient } from '../../kube/kube-client.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import type { AuditLog } from '../audit-log.ts';
import { SecretAuthorityStore } from '../cluster/secret-authority-store.ts';
import { publishServingCa } from '../cluster/serving-ca-config-map.ts';
import { AuthorityKeeper } from './authority-keeper.ts';
import type { JwtKeyType } from './authority-maker.ts';
import { controllerEndpoint, issuerEndpoint } from './serving-leaf.ts';

export type AuthorityRunOptions = {
  readonly trustDomain: TrustDomain;
  readonly access: KubeAccess;
  readonly namespace: string;
  /** Of Service names, such as `cluster.local`. */
  readonly clusterDomain: string;
  readonly jwtKeyType?: JwtKeyType;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Logger;
  readonly version: string;
};

/** How a pod reaches the API server: the origin, and the directory with its token. */
export function clusterAccess(url: string, directory: string, clock: Clock): KubeAccess {
  return serviceAccountAccess({ url, directory, clock });
}

const KINDS: readonly AuthorityKind[] = ['root', 'serving', 'intermediate', 'jwt'];
const LOOK_AGAIN_MS = 5000;
/** Longer than a run that died is waited for. */
const PATIENCE_MS = 12 * 60_000;

/** Does all that is due; resolves when the authorities can be signed with. */
export async function rotateAuthorities(
  options: AuthorityRunOptions,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = options;
  const client = new KubeClient({
    access: options.access,
    clock,
    userAgent: `signet-authority/${options.version}`,
  });
  try {
    const keeper = clusterKeeper(options, client);
    const end = clock.now() + PATIENCE_MS;
    for (;;) {
      const missing = missingIn(await keeper.settle());
      if (missing.length === 0) return;
      // Another run has announced them: it is about to store their keys, or it died.
      if (signal.aborted || clock.now() > end) throw unfinished(missing);
      log.info({ message: missing.join(', ') }, 'Waiting for another run to finish');
      await sleepUntil(clock, clock.now() + LOOK_AGAIN_MS, signal);
    }
  } finally {
    client.close();
  }
}

function clusterKeeper(options: AuthorityRunOptions, client: KubeClient): AuthorityKeeper {
  const { trustDomain, namespace, clusterDomain, clock, audit, log, jwtKeyType } = options;
  const service = `signet-webhook.${namespace}`;
  const dnsNames = [`${service}.svc`, service, `${service}.svc.${clusterDomain}`];
  return new AuthorityKeeper({
    trustDomain,
    store: new SecretAuthorityStore({ client, namespace }),
    clock,
    audit,
    log,
    endpoints: [issuerEndpoint(trustDomain), controllerEndpoint(trustDomain, dnsNames)],
    publishServingCa: async (pem) => await publishServingCa(client, namespace, pem),
    ...(jwtKeyType === undefined ? {} : { jwtKeyType }),
  });
}

function missingIn(state: AuthorityState): readonly string[] {
  return KINDS.filter((kind) => activeOf(state, kind) === undefined);
}

function unfinished(missing: readonly string[]): CodedError {
  const message = `authorities: not complete, without an active ${missing.join(', ')}; run it again`;
  return new CodedError('unavailable', message);
}
