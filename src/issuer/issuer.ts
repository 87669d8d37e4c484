// The issuer put together: authorities that follow their store, the policy's memory, and the service
// that node plugins call. In dev mode it also plays the authority role.

import type { AuditAnchor } from '../audit/audit-anchor.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import { AuditTrail } from '../audit/audit-trail.ts';
import type { Clock } from '../base/clock.ts';
import { CodedError } from '../base/errors.ts';
import type { Latest } from '../base/latest.ts';
import type { Logger } from '../base/log.ts';
import type { ObjectChange } from '../identity/identity-view.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { ServiceBinding } from '../transport/rpc.ts';
import { ChangeLines } from './audit/change-lines.ts';
import { NodeAudit } from './audit/node-audit.ts';
import { AuthorityKeeper } from './authority/authority-keeper.ts';
import { AuthorityLoop } from './authority/authority-loop.ts';
import type { AuthorityStore } from './authority/authority-store.ts';
import {
  AuthorityView,
  checkpointSigner,
  type ServingCredentials,
  type SigningAuthorities,
} from './authority/signing-authorities.ts';
import type { CallerAuthenticator } from './caller.ts';
import { HeldInventory, type HeldSerial } from './held-inventory.ts';
import { bindIssuerService } from './issuer-service.ts';
import type { IssuerSettings } from './issuer-settings.ts';
import type { FederationSource, PodChange, PodSource } from './pod-source.ts';
import { KeyRegistry } from './policy/key-registry.ts';
import { type MintLimit, MintLimits } from './policy/mint-limits.ts';
import { PublishedPods } from './policy/published-pods.ts';
import { RevocationKeeper } from './revocation/revocation-keeper.ts';
import { JwtSigning } from './signing/jwt-signing.ts';
import { X509Signing } from './signing/x509-signing.ts';
import { addFederating } from './watch/node-federation.ts';
import { NodeSessions } from './watch/node-sessions.ts';
import { RollbackAlarm } from './watch/rollback-alarm.ts';

export type IssuerOptions = {
  readonly trustDomain: TrustDomain;
  readonly store: AuthorityStore;
  readonly pods: PodSource;
  readonly authenticator: CallerAuthenticator;
  readonly audit: AuditLog;
  /** Where checkpoints of the audit log are kept; default: by nodes alone. */
  readonly anchor?: AuditAnchor;
  readonly clock: Clock;
  readonly log: Logger;
  readonly federation?: FederationSource;
  /** The nodes with a node plugin; see RollbackAlarm. */
  readonly nodes?: () => ReadonlySet<string>;
  readonly settings?: IssuerSettings;
};

export type Issuer = {
  readonly service: ServiceBinding;
  /** Keeps authorities and tells watching nodes what changes, until aborted. */
  run(signal: AbortSignal): Promise<void>;
  /** Objects of the cluster that it acts by from now on, for the audit log. */
  noteChanges(changes: readonly ObjectChange[]): void;
  /** Whether it can sign now. */
  readonly ready: boolean;
  /** The state is older than nodes have seen: it signs for nobody until an operator accepts that. */
  readonly isRolledBack: boolean;
  /** What it signs with and publishes; empty until `run` has read the store. */
  readonly authorities: Latest<SigningAuthorities>;
  /** Certificate, key and trust of whoever listens for it; throws `unavailable` before the first. */
  tls(): ServingCredentials;
  /** The complete set of revocation lists, DER; empty while there is none. */
  readonly crls: Latest<readonly Uint8Array[]>;
  /** Serials that are out, for receipts. */
  heldBy(matches: (held: HeldSerial) => boolean): readonly HeldSerial[];
  /** Whether every watching session of the node has applied the pod at this version or later. */
  hasAcknowledged(node: string, podUid: string, version: bigint): boolean;
};

const JWT_LIMIT: MintLimit = { perSecond: 10, burst: 50 };
/** Each entry is renewed a few times an hour; what is kept for each key must not grow without end. */
const X509_LIMIT: MintLimit = { perSecond: 0.5, burst: 50 };

export const noFederation: FederationSource = {
  federatedTrustDomains: () => [],
  onFederationChange: () => () => {},
};

export function createIssuer(options: IssuerOptions): Issuer {
  const { trustDomain, store, pods, clock, log, settings = {} } = options;
  const { organization, jwtIssuer, jwtKeyType } = settings;
  const federation = options.federation ?? noFederation;
  const view = new AuthorityView({
    trustDomain,
    store,
    ...(organization === undefined ? {} : { organization }),
  });
  const authorities = () => requireAuthorities(view.current.value);
  const audit = new AuditTrail({ ...options, signer: () => checkpointSigner(view.current.value) });
  const changes = new ChangeLines({ audit, trustDomain, log });
  const keys = new KeyRegistry();
  const published = new PublishedPods();
  const inventory = new HeldInventory();
  const nodeAudit = new NodeAudit({ trail: audit, trustDomain, inventory, clock, log });
  const sessions = new NodeSessions(clock);
  const rollback = new RollbackAlarm({
    clock,
    sequence: () => view.current.value?.bundle.sequence ?? 0,
    hasGoneBack: () => view.hasGoneBack,
    ...(options.nodes === undefined ? {} : { nodes: options.nodes }),
    onRaise: (seen) => changes.rolledBack(seen),
  });
  const revocation = new RevocationKeeper({
    store,
    authorities: view.current,
    pods,
    inventory,
    audit,
    clock,
    log,
    maySign: () => !rollback.isRaised,
  });
  const common = { pods, authorities, audit, clock, log };
  const service = bindIssuerService({
    authenticator: options.authenticator,
    x509: new X509Signing({
      ...common,
      keys,
      published,
      inventory,
      limits: new MintLimits(clock, settings.x509Limit ?? X509_LIMIT),
      ...(settings.keyTypes === undefined ? {} : { keyTypes: settings.keyTypes }),
    }),
    jwt: new JwtSigning({
      ...common,
      limits: new MintLimits(clock, settings.jwtLimit ?? JWT_LIMIT),
      ...(jwtIssuer === undefined ? {} : { issuer: jwtIssuer }),
    }),
    watch: {
      ...common,
      federation,
      sessions,
      published,
      inventory,
      refreshAuthorities: async () => await view.refresh(),
      rollback,
      nodeAudit,
      crls: () => revocation.crls.value ?? [],
    },
  });
  const keeper =
    settings.keepsAuthorities === false
      ? undefined
      : new AuthorityKeeper({
          trustDomain,
          store,
          clock,
          audit,
          log,
          isAlone: true,
          ...(settings.authorities === undefined ? {} : { settings: settings.authorities }),
          ...(jwtKeyType === undefined ? {} : { jwtKeyType }),
          ...(settings.endpoints === undefined ? {} : { endpoints: settings.endpoints }),
        });
  const loop = new AuthorityLoop({ keeper, view, clock, log });

  const onPod = ({ podUid, node, gone }: PodChange): void => {
    if (gone) published.forget(podUid);
    for (const session of sessions.of(node)) session.outbox.addPod(podUid, gone);
    revocation.podChanged();
  };
  const onBundles = (): void => {
    for (const session of sessions.all()) session.outbox.addBundles();
  };
  const run = async (signal: AbortSignal): Promise<void> => {
    const onFederation = () => {
      changes.federation(federation);
      onBundles();
      for (const session of sessions.all()) addFederating(session, pods);
    };
    const stops = [pods.onChange(onPod), federation.onFederationChange(onFederation)];
    const follow = async () => {
      for await (const current of view.current.watch(signal)) {
        changes.bundle(current);
        keys.setAuthorities(current.keyDigests);
        rollback.look();
        onBundles();
        revocation.wake();
      }
    };
    const revoke = async () => {
      for await (const _ of revocation.crls.watch(signal)) onBundles();
    };
    const prune = () => {
      keys.prune(clock.now());
      inventory.prune(clock.now());
      nodeAudit.prune(clock.now());
      rollback.look();
    };
    const following = [loop.run(signal, prune), follow(), revocation.run(signal), revoke()];
    try {
      await Promise.all([...following, audit.run(signal)]);
    } finally {
      await audit.end();
    }
    for (const stop of stops) stop();
  };

  return {
    service,
    run,
    noteChanges: (batch) => changes.restrictions(batch),
    get ready() {
      const { value } = view.current;
      return (
        value !== undefined &&
        !rollback.isRaised &&
        pods.isFresh() &&
        clock.now() < value.x509.issuer.notAfter
      );
    },
    get isRolledBack() {
      return rollback.isRaised;
    },
    authorities: view.current,
    crls: revocation.crls,
    tls: () => authorities().serving,
    heldBy: (matches) => inventory.heldBy(matches, clock.now()),
    hasAcknowledged: (node, podUid, version) => {
      const watching = sessions.of(node);
      return (
        watching.length > 0 &&
        watching.every(({ acknowledged }) => (acknowledged.get(podUid) ?? -1n) >= version)
      );
    },
  };
}

function requireAuthorities(authorities: SigningAuthorities | undefined): SigningAuthorities {
  if (authorities !== undefined) return authorities;
  throw new CodedError('unavailable', 'the authorities are not ready yet');
}
