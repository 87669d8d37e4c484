// The public state of the trust domain's authorities, as the authority role publishes it. It never
// goes back: an older state would bring distrusted roots back.

import {
  type AuthorityState,
  activeOf,
  damaged,
  readState,
} from '../authorities/authority-state.ts';
import type { Clock } from '../base/clock.ts';
import { CodedError } from '../base/errors.ts';
import { Latest } from '../base/latest.ts';
import type { Logger } from '../base/log.ts';
import type { KubeClient } from '../kube/kube-client.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import { AUTHORITY_STATE, readDocument } from './documents.ts';
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

export class PublicAuthorities {
  readonly current = new Latest<AuthorityState>();
  readonly #options: PublicAuthoritiesOptions;
  #text: string | undefined;

  constructor(options: PublicAuthoritiesOptions) {
    this.#options = options;
  }

  /** Looks until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, lookEveryMs: everyMs = LOOK_EVERY_MS } = this.#options;
    const options = { what: 'read the authorities', everyMs, clock, log };
    await repeat(options, async () => await this.#look(), signal);
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

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw damaged(`not JSON: ${String(cause).slice(0, 100)}`);
  }
}
