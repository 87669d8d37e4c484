// Other trust domains in a dev run: the objects come from the manifests and the bundles go into a file, all
// else is what a controller does in a cluster. The own bundle is served with the run's own X509-SVID.

import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { AddressRules } from '../federation/address-rules.ts';
import { keyDigests } from '../federation/bundle-check.ts';
import { BundleFetcher } from '../federation/bundle-fetch.ts';
import type { OwnAuthorities } from '../federation/bundle-intake.ts';
import { BundleStore, type DocumentStore } from '../federation/bundle-store.ts';
import { Federation } from '../federation/federation.ts';
import { federationStatus } from '../federation/federation-status.ts';
import { objectIn, textIn } from '../identity/objects.ts';
import { type IdentitySettings, servesClass } from '../identity/settings.ts';
import type { Issuer } from '../issuer/issuer.ts';
import type { FederatedTrustDomain, FederationSource } from '../issuer/pod-source.ts';
import type { JsonObject } from '../template/json-value.ts';
import type { ManifestObject } from './read-manifests.ts';
import { uidOf } from './workloads.ts';

export type DevFederationOptions = {
  readonly settings: IdentitySettings;
  /** The file of the fetched bundles. */
  readonly path: string;
  readonly issuer: () => Issuer;
  readonly clock: Clock;
  readonly log: Logger;
  /** Told how each declared trust domain fares, when that changes. */
  readonly onReport: (line: string, isProblem: boolean) => void;
};

const KIND = 'ClusterFederatedTrustDomain';
const GROUP = 'spire.spiffe.io/';
/** Peers of a dev run are on the same machine, or near it. */
const NEAR = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'];
const BOUNDS = { minMs: 1000, maxMs: 3_600_000 };
const FIRST_CREATION = Date.UTC(2000, 0, 1);

export class DevFederation implements FederationSource {
  readonly #options: DevFederationOptions;
  readonly #store: BundleStore;
  readonly #federation: Federation;
  readonly #listeners = new Set<() => void>();
  readonly #said = new Map<string, string>();

  constructor(options: DevFederationOptions) {
    const { settings, path, clock, log } = options;
    this.#options = options;
    this.#store = new BundleStore(new FileDocuments(path));
    const rules = new AddressRules({ allow: NEAR, allowsLoopback: true });
    const fetcher = new BundleFetcher({ rules, clock });
    this.#federation = new Federation({
      ownTrustDomain: settings.trustDomain,
      servesClass: (className) => servesClass(settings, className),
      own: () => ownOf(options.issuer()),
      store: this.#store,
      fetch: async (request, signal) => await fetcher.fetch(request, signal),
      clock,
      log,
      bounds: BOUNDS,
    });
  }

  federatedTrustDomains(): Iterable<FederatedTrustDomain> {
    return this.#store.bundles.values();
  }

  onFederationChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** All manifests, of whatever kind. */
  set(manifests: readonly ManifestObject[]): void {
    const declared = manifests.filter(
      ({ kind, apiVersion }) => kind === KIND && apiVersion.startsWith(GROUP),
    );
    this.#federation.set(declared.map(born));
  }

  /** Keeps bundles until aborted; our own authorities must be there. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#federation.run(signal), this.#announce(signal), this.#report(signal)]);
  }

  async #announce(signal: AbortSignal): Promise<void> {
    for await (const _ of this.#store.current.watch(signal)) {
      for (const listener of this.#listeners) listener();
    }
  }

  async #report(signal: AbortSignal): Promise<void> {
    const { clock, onReport } = this.#options;
    for await (const _ of this.#federation.changed.watch(signal)) {
      const { declared } = this.#federation;
      for (const name of this.#said.keys()) if (!declared.has(name)) this.#said.delete(name);
      for (const name of declared.keys()) {
        const context = { previous: [], observedGeneration: 0, now: clock.now() };
        const status = federationStatus(this.#federation, name, context);
        if (status === undefined) continue;
        const { conditions, sequence } = status;
        const bad = conditions.find((condition) => condition.status === 'False');
        const line =
          bad === undefined
            ? `${KIND} ${name}: its bundle is served, sequence ${sequence ?? 'none'}`
            : `${KIND} ${name}: ${bad.reason}: ${bad.message}`;
        if (this.#said.get(name) === line) continue;
        this.#said.set(name, line);
        onReport(line, bad !== undefined);
      }
    }
  }
}

/** What the API server fills in; the order of files is the order of creation. */
function born({ name, object }: ManifestObject, order: number): JsonObject {
  const given = objectIn(object, 'metadata');
  const creationTimestamp =
    textIn(given, 'creationTimestamp') || new Date(FIRST_CREATION + order * 1000).toISOString();
  return { ...object, metadata: { ...given, name, uid: uidOf(KIND, '', name), creationTimestamp } };
}

function ownOf(issuer: Issuer): OwnAuthorities | undefined {
  const { value } = issuer.authorities;
  if (value === undefined) return undefined;
  const { bundle, x509 } = value;
  return { bundle, keys: new Set(keyDigests({ ...bundle, x509Authorities: x509.above })) };
}

/** The file twin of the ConfigMap; the run directory belongs to one process. */
class FileDocuments implements DocumentStore {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<{ readonly text: string | undefined; readonly version: string }> {
    const text = existsSync(this.#path) ? readFileSync(this.#path, 'utf8') : undefined;
    // Nobody else writes it.
    return { text, version: '' };
  }

  async write(text: string): Promise<void> {
    writeFileSync(`${this.#path}.new`, text, { mode: 0o600 });
    renameSync(`${this.#path}.new`, this.#path);
  }
}
