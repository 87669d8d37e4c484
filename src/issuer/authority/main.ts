// The authority role, put together over a cluster or a directory of dev mode: a run that does what is
// due and ends. Whoever runs it reads the keys of roots; nothing that runs for long does.

import { existsSync } from 'node:fs';
import type { AuditLog } from '../../audit/audit-log.ts';
import {
  type AuthorityKind,
  type AuthorityState,
  activeOf,
  damaged,
  readState,
} from '../../authorities/authority-state.ts';
import { type Clock, sleepUntil } from '../../base/clock.ts';
import { CodedError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { KubeClient } from '../../kube/kube-client.ts';
import { parseTrustDomain, type TrustDomain } from '../../spiffe/spiffe-id.ts';
import { SecretAuthorityStore } from '../cluster/secret-authority-store.ts';
import { publishServingCa } from '../cluster/serving-ca-config-map.ts';
import { AuthorityKeeper } from './authority-keeper.ts';
import type { JwtKeyType } from './authority-maker.ts';
import type { AuthorityStore } from './authority-store.ts';
import { FileAuthorityStore } from './file-authority-store.ts';
import { bundleEndpoint, controllerEndpoint, issuerEndpoint } from './serving-leaf.ts';

export type AuthorityRunOptions = {
  readonly trustDomain: TrustDomain;
  readonly jwtKeyType?: JwtKeyType;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Logger;
};

export type AuthorityCluster = {
  readonly client: KubeClient;
  /** Where Signet is installed. */
  readonly namespace: string;
  /** Of Service names, such as `cluster.local`. */
  readonly clusterDomain: string;
  /** Whether the bundle endpoint has an X509-SVID of its own. */
  readonly hasBundleEndpoint?: boolean;
};

/** Services before the controller: all have one certificate. */
const CONTROLLER_SERVICES = ['signet-webhook', 'signet-oidc'] as const;
const KINDS: readonly AuthorityKind[] = ['root', 'serving', 'intermediate', 'jwt'];
const LOOK_AGAIN_MS = 5000;
/** Longer than a run that died is waited for. */
const PATIENCE_MS = 12 * 60_000;

export function clusterKeeper(
  { client, namespace, clusterDomain, hasBundleEndpoint = false }: AuthorityCluster,
  options: AuthorityRunOptions,
): AuthorityKeeper {
  const { trustDomain } = options;
  const dnsNames = CONTROLLER_SERVICES.flatMap((name) => {
    const service = `${name}.${namespace}`;
    return [`${service}.svc`, service, `${service}.svc.${clusterDomain}`];
  });
  return new AuthorityKeeper({
    ...options,
    store: clusterStore({ client, namespace }),
    endpoints: [
      issuerEndpoint(trustDomain),
      controllerEndpoint(trustDomain, dnsNames),
      ...(hasBundleEndpoint ? [bundleEndpoint(trustDomain)] : []),
    ],
    publishServingCa: async (pem) => await publishServingCa(client, namespace, pem),
  });
}

export function clusterStore(
  cluster: Pick<AuthorityCluster, 'client' | 'namespace'>,
): AuthorityStore {
  return new SecretAuthorityStore(cluster);
}

/** The store of a run directory of `signet dev`; throws `not-found` where there is none. */
export function directoryStore(runDirectory: string, trustDomain: TrustDomain): AuthorityStore {
  const path = `${runDirectory}/authorities-${trustDomain}`;
  if (existsSync(path)) return new FileAuthorityStore(path);
  throw new CodedError('not-found', `${path}: there is no such directory`);
}

/** The state alone, which holds no secrets; of whatever trust domain, unless it must be of one. */
export async function readAuthorities(
  store: AuthorityStore,
  trustDomain?: TrustDomain,
): Promise<AuthorityState> {
  const stored = await store.read('state');
  if (stored === undefined) throw new CodedError('not-found', 'there are no authorities yet');
  if (trustDomain !== undefined) return readState(stored.value, trustDomain);
  const value = stored.value as Partial<AuthorityState> | null;
  if (typeof value?.trustDomain !== 'string') throw damaged('without a trust domain');
  return readState(value, parseTrustDomain(value.trustDomain));
}

/** Does all that is due; resolves when the authorities can be signed with. */
export async function rotateAuthorities(
  keeper: AuthorityKeeper,
  { clock, log }: Pick<AuthorityRunOptions, 'clock' | 'log'>,
  signal: AbortSignal,
): Promise<void> {
  const end = clock.now() + PATIENCE_MS;
  for (;;) {
    const missing = missingIn(await keeper.settle());
    if (missing.length === 0) return;
    // Another run has announced them: it is about to store their keys, or it died.
    if (signal.aborted || clock.now() > end) throw unfinished(missing);
    log.info({ message: missing.join(', ') }, 'Waiting for another run to finish');
    await sleepUntil(clock, clock.now() + LOOK_AGAIN_MS, signal);
  }
}

function missingIn(state: AuthorityState): readonly string[] {
  return KINDS.filter((kind) => activeOf(state, kind) === undefined);
}

function unfinished(missing: readonly string[]): CodedError {
  const message = `authorities: not complete, without an active ${missing.join(', ')}; run it again`;
  return new CodedError('unavailable', message);
}
