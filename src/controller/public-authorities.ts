// The public state of the trust domain's authorities, as the authority role publishes it. It never
// goes back: an older state would bring distrusted roots back.

import {
  type AuthorityState,
  activeOf,
  damaged,
  readState,
} from '../authorities/authority-state.ts';
import {
  completeSet,
  type PublishedCrl,
  type RevokedCertificate,
  readRevocations,
} from '../authorities/revocation-document.ts';
import type { Clock } from '../base/clock.ts';
import { CodedError } from '../base/errors.ts';
import { Latest } from '../base/latest.ts';
import type { Logger } from '../base/log.ts';
import type { KubeClient } from '../kube/kube-client.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import { AUTHORITY_STATE, REVOCATIONS, readDocument } from './documents.ts';
import { repeat } from './repeat.ts';

export type PublicAuthoritiesOptions = {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly log: Logger;
  readonly lookEveryMs?: number;
};

const LOOK_EVERY_MS = 10_000;
const LISTS_EVERY_MS = 2000;

export class PublicAuthorities {
  readonly current = new Latest<AuthorityState>();
  /** The complete set of revocation lists; nothing before there was one. */
  readonly crls = new Latest<readonly PublishedCrl[]>();
  /** What is on the lists, and by whose word; nothing before it was read once. */
  readonly revoked = new Latest<readonly RevokedCertificate[]>();
  readonly #options: PublicAuthoritiesOptions;
  #revokedText = '';
  #text: string | undefined;

  constructor(options: PublicAuthoritiesOptions) {
    this.#options = options;
  }

  /** Looks until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, lookEveryMs: everyMs = LOOK_EVERY_MS } = this.#options;
    const options = { what: 'read the authorities', everyMs, clock, log };
    const lists = {
      what: 'read the revocation lists',
      everyMs: Math.min(everyMs, LISTS_EVERY_MS),
      clock,
      log,
    };
    await Promise.all([
      repeat(options, async () => await this.#look(), signal),
      repeat(lists, async () => await this.#lookAtLists(), signal),
    ]);
  }

  async #lookAtLists(): Promise<void> {
    const { client, namespace, trustDomain, clock } = this.#options;
    const state = this.current.value;
    if (state === undefined) return;
    const place = { resource: 'configmaps', namespace, name: REVOCATIONS } as const;
    const text = await readDocument(client, place);
    if (text === undefined) return;
    const document = readRevocations(parse(text), trustDomain);
    if (text !== this.#revokedText) this.revoked.set(document.revoked);
    this.#revokedText = text;
    const set = completeSet(state, document, clock.now());
    // Those who read lists are to go on with the last ones; and no older ones are shown.
    if (set.length === 0 || newestOf(set) < newestOf(this.crls.value ?? [])) return;
    const before = this.crls.value ?? [];
    if (namesOf(set) !== namesOf(before)) this.crls.set(set);
  }

  async #look(): Promise<void> {
    const { client, namespace, trustDomain } = this.#options;
    const place = { resource: 'configmaps', namespace, name: AUTHORITY_STATE } as const;
    const text = await readDocument(client, place);
    // Thrown, so that it is looked at again soon: an installation waits for them.
    if (text === undefined) throw new CodedError('unavailable', 'there are no authorities yet');
    if (text === this.#text) return;
    const state = readState(parse(text), trustDomain);
    if (state.sequence < (this.current.value?.sequence ?? 0))
      throw damaged('its sequence went back');
    this.current.set(state);
    if (activeOf(state, 'jwt') === undefined) {
      throw new CodedError('unavailable', 'authorities are being made');
    }
    this.#text = text;
  }
}

function newestOf(set: readonly PublishedCrl[]): bigint {
  return set.reduce((newest, { crl }) => (crl.number > newest ? crl.number : newest), 0n);
}

function namesOf(set: readonly PublishedCrl[]): string {
  return set.map(({ authority, crl }) => `${authority.id} ${crl.number}`).join();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw damaged(`not JSON: ${String(cause).slice(0, 100)}`);
  }
}
