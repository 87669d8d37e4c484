// The ClusterFederatedTrustDomains of a cluster: followed, fetched for, reported on. Runs where the
// controller leads.

import { readFileSync } from 'node:fs';
import { AddressRules } from '../../federation/address-rules.ts';
import { BundleFetcher } from '../../federation/bundle-fetch.ts';
import { BundleStore, type DocumentStore } from '../../federation/bundle-store.ts';
import { Federation } from '../../federation/federation.ts';
import { FEDERATION_CONDITIONS, federationStatus } from '../../federation/federation-status.ts';
import { servesClass } from '../../identity/settings.ts';
import type { EventRecorder } from '../../kube/events.ts';
import { withoutManagedFields } from '../../kube/object-key.ts';
import { Reflector } from '../../kube/watch/reflector.ts';
import type { JsonObject } from '../../template/json-value.ts';
import type { ControllerContext } from '../controller-context.ts';
import type { PublicAuthorities } from '../public-authorities.ts';
import { repeat } from '../repeat.ts';
import type { StatusSink } from '../status-sink.ts';
import {
  conditionsIn,
  generationOf,
  type StatusKind,
  storedStatusOf,
  targetOf,
} from '../status-target.ts';
import { AuditedDocuments } from './audited-documents.ts';
import { ConfigMapDocuments } from './config-map-documents.ts';
import { ownAuthorities } from './own-authorities.ts';

export type FetchSettings = {
  /** CIDRs of private networks where bundles may be fetched from. */
  readonly allow: readonly string[];
  /** Addresses where they never are. */
  readonly deny: readonly string[];
  /** Where peers are on this machine: in tests. */
  readonly allowsLoopback?: boolean;
  /** PEM file with the authorities of https_web endpoints; Node's own list when undefined. */
  readonly webCaFile?: string;
};

export type FederatedTrustDomainsOptions = {
  readonly context: ControllerContext;
  readonly authorities: PublicAuthorities;
  readonly sink: StatusSink;
  readonly events: EventRecorder;
  readonly isForeign: (path: string) => boolean;
  readonly settings: FetchSettings;
};

export const FEDERATED_TRUST_DOMAIN: StatusKind = {
  apiVersion: 'spire.spiffe.io/v1alpha1',
  kind: 'ClusterFederatedTrustDomain',
  collection: '/apis/spire.spiffe.io/v1alpha1/clusterfederatedtrustdomains',
};

const REPORT_EVERY_MS = 1000;

export class FederatedTrustDomains {
  readonly #options: FederatedTrustDomainsOptions;
  readonly #federation: Federation;
  /** By name. */
  readonly #objects = new Map<string, JsonObject>();
  #isSynced = false;

  constructor(options: FederatedTrustDomainsOptions) {
    this.#options = options;
    const { context, authorities, events, settings } = options;
    const { clock, log, state } = context;
    const { webCaFile } = settings;
    const fetcher = new BundleFetcher({ rules: new AddressRules(settings), clock });
    this.#federation = new Federation({
      ownTrustDomain: state.settings.trustDomain,
      servesClass: (className) => servesClass(state.settings, className),
      own: ownAuthorities(authorities),
      store: new BundleStore(documentsOf(options.context)),
      fetch: async (request, signal) => await fetcher.fetch(request, signal),
      // Each time anew: it may be replaced.
      webAuthorities: webCaFile === undefined ? undefined : () => readFileSync(webCaFile, 'utf8'),
      clock,
      log,
      onAlarm: ({ name, uid }, reason, message) => {
        const { apiVersion, kind } = FEDERATED_TRUST_DOMAIN;
        const subject = { apiVersion, kind, namespace: '', name, uid };
        events.record(subject, { type: 'Warning', reason, message });
      },
    });
  }

  /** Follows, fetches and reports until aborted; the kind may be installed later. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, clock, log } = this.#options.context;
    const reflector = new Reflector({
      client,
      path: FEDERATED_TRUST_DOMAIN.collection,
      projection: () => withoutManagedFields,
      deliver: ({ changes, isComplete }) => {
        for (const { name, object } of changes) this.#keep(name, object);
        this.#isSynced ||= isComplete;
        // What was not seen yet would pass for gone.
        if (this.#isSynced) this.#federation.set(this.#objects.values());
      },
      clock,
      log,
    });
    await Promise.all([reflector.run(signal), this.#keepBundles(signal), this.#report(signal)]);
  }

  async #keepBundles(signal: AbortSignal): Promise<void> {
    // Whose keys are ours must be known before anybody else's are taken.
    await this.#options.authorities.current.first(() => true, signal);
    await this.#federation.run(signal);
  }

  #keep(name: string, object: JsonObject | undefined): void {
    if (object !== undefined) {
      this.#objects.set(name, object);
      return;
    }
    const known = this.#objects.get(name);
    this.#objects.delete(name);
    if (known === undefined) return;
    this.#options.sink.forget(targetOf(FEDERATED_TRUST_DOMAIN, known).path);
  }

  async #report(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options.context;
    const what = 'report on federated trust domains';
    // Without a change too: whose a status is to write may have become known meanwhile.
    const options = { what, everyMs: REPORT_EVERY_MS, clock, log };
    const pass = async () => {
      for (const [name, object] of this.#objects) this.#say(name, object);
      await Promise.resolve();
    };
    await repeat(options, pass, signal);
  }

  #say(name: string, object: JsonObject): void {
    const { context, sink, isForeign } = this.#options;
    const target = targetOf(FEDERATED_TRUST_DOMAIN, object);
    const status = federationStatus(this.#federation, name, {
      previous: conditionsIn(object, FEDERATION_CONDITIONS),
      observedGeneration: generationOf(object),
      now: context.clock.now(),
    });
    if (status === undefined || isForeign(target.path)) sink.forget(target.path);
    else sink.set(target, status as unknown as JsonObject, storedStatusOf(object));
  }
}

function documentsOf({ client, namespace, audit, log, state }: ControllerContext): DocumentStore {
  const documents = new ConfigMapDocuments(client, namespace);
  const { trustDomain } = state.settings;
  return audit === undefined
    ? documents
    : new AuditedDocuments(documents, { audit, trustDomain, log });
}
