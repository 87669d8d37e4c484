// What all credential providers share: a JWT-SVID for the audience, one exchange at a time, the result
// kept until shortly before it expires.

import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { invalid } from '../../../src/base/errors.ts';
import { type Expiring, Renewed } from '../renewed.ts';
import type { JwtSvidRequest } from '../workload-api-client.ts';
import type { Fetch } from './token-request.ts';

/** What providers need of a source; `JwtSource` is one. */
export interface AssertionSource {
  /** One that was shown to nobody yet: some verifiers take a token once. */
  fetchNew(request: JwtSvidRequest): Promise<{ readonly token: string }>;
}

export type CredentialOptions = {
  readonly source: AssertionSource;
  /** One of the workload's own; without it, the default identity. */
  readonly spiffeId?: string;
  readonly fetch?: Fetch;
  readonly clock?: Clock;
};

/** A bearer token of somebody else's. It does not get into JSON or logs by itself. */
export class AccessToken implements Expiring {
  readonly expiresAt: number;
  readonly #token: string;

  constructor(token: string, expiresAt: number) {
    this.#token = token;
    this.expiresAt = expiresAt;
  }

  get token(): string {
    return this.#token;
  }
}

/** Two minutes early, of short lives a fifth: longer than any request waits for its turn. */
const MARGIN_MS = 120_000;

export function exchanged<T extends Expiring>(
  { source, spiffeId, clock = systemClock }: CredentialOptions,
  audience: string,
  exchange: (assertion: string) => Promise<T>,
): Renewed<T> {
  if (typeof audience !== 'string' || audience === '') throw invalid('audience: must not be empty');
  const request = { audience, ...(spiffeId === undefined ? {} : { spiffeId }) };
  return keptUntilRenewed(
    clock,
    async () => await exchange((await source.fetchNew(request)).token),
  );
}

/** What is obtained, until it is time to obtain another one. */
export function keptUntilRenewed<T extends Expiring>(
  clock: Clock,
  obtain: () => Promise<T>,
): Renewed<T> {
  return new Renewed({
    obtain,
    marginMs: (lifeMs) => Math.min(MARGIN_MS, lifeMs / 5),
    clock,
  });
}

export function checkPresent(fields: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value !== 'string' || value === '') throw invalid(`${name}: must not be empty`);
  }
}
