// A federation over a fake clock and a fetch that answers what a test says.

import { silentLogger } from '../../../src/base/log.ts';
import type { FetchedBundle, FetchRequest } from '../../../src/federation/bundle-fetch.ts';
import { BundleStore } from '../../../src/federation/bundle-store.ts';
import { Federation } from '../../../src/federation/federation.ts';
import { federationStatus } from '../../../src/federation/federation-status.ts';
import type { Bundle } from '../../../src/spiffe/bundle/bundle.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { FakeClock, settle } from '../../fakes/fake-clock.ts';
import { bundleOf, MemoryDocuments, OWN } from './fixtures.ts';

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;

export class FederationHarness {
  readonly clock = new FakeClock();
  readonly documents: MemoryDocuments;
  readonly federation: Federation;
  readonly asked: FetchRequest[] = [];
  readonly alarms: string[] = [];
  readonly own: Bundle;
  /** What the endpoint of a trust domain answers; a function may wait. */
  readonly answers = new Map<string, Bundle | Error | (() => Promise<Bundle>)>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  constructor(documents = new MemoryDocuments(), own = bundleOf(OWN, { sequence: 1 })) {
    this.documents = documents;
    this.own = own;
    this.federation = new Federation({
      ownTrustDomain: OWN,
      servesClass: (name) => name === '',
      own: () => ({ bundle: own, keys: new Set() }),
      store: new BundleStore(documents),
      fetch: async (request) => await this.#fetch(request),
      clock: this.clock,
      log: silentLogger,
      random: () => 0,
      onAlarm: ({ name }, reason) => this.alarms.push(`${name} ${reason}`),
    });
  }

  start(): this {
    this.#running = this.federation.run(this.#stop.signal);
    return this;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async set(...objects: readonly JsonObject[]): Promise<void> {
    this.federation.set(objects);
    await this.rest();
  }

  async rest(): Promise<void> {
    for (let round = 0; round < 5; round += 1) await settle();
  }

  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
    await this.rest();
  }

  served(name: string): Bundle | undefined {
    return this.federation.intake.storedOf(parseTrustDomain(name))?.bundle;
  }

  status(name: string) {
    const context = { previous: [], observedGeneration: 1, now: this.clock.now() };
    const status = federationStatus(this.federation, name, context);
    const reasons = status?.conditions.map(({ type, reason }) => `${type} ${reason}`) ?? [];
    return { ...status, reasons };
  }

  async #fetch(request: FetchRequest): Promise<FetchedBundle> {
    this.asked.push(request);
    const answer = this.answers.get(request.trustDomain);
    if (answer === undefined) throw new Error('nobody answers');
    if (answer instanceof Error) throw answer;
    const bundle = typeof answer === 'function' ? await answer() : answer;
    return { bundle, ignored: [], digest: 'digest', peer: 'peer', address: '192.0.2.1' };
  }
}
