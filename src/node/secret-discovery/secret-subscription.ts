// The state of one stream of secret discovery: what it wants, what it was given, and the nonce that
// its next word must name. A secret is given once for each of its versions, whether the Envoy takes
// it or rejects it: what it cannot use it would only reject again.

import { hash } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { DiscoveryResponseSchema } from '../../transport/gen/envoy/service/discovery/v3/discovery_pb.ts';
import { SECRET_TYPE_URL, type SecretRequest } from './secret-request.ts';
import type { NamedSecret, Validation } from './secrets.ts';

export type SecretResponse = MessageInitShape<typeof DiscoveryResponseSchema>;

export class SecretSubscription {
  /** Undefined: everything; also before the first request, which `isOpen` tells. */
  names: readonly string[] | undefined;
  validation: Validation = 'authorities';
  isOpen = false;
  readonly #given = new Map<string, string>();
  #nonce = '';
  #responses = 0;

  /**
   * Takes in a request. False when it answers another response than the last: one that answers the
   * last is on its way, and says what is wanted now.
   */
  accept({ names, nonce, validation }: SecretRequest): boolean {
    if (nonce !== '' && nonce !== this.#nonce) return false;
    if (validation !== undefined) this.validation = validation;
    // No names stands for everything only for who never named one; then it stands for none.
    if (names.length > 0 || this.names !== undefined) this.names = names;
    this.isOpen = true;
    if (this.names !== undefined) {
      const wanted = new Set(this.names);
      for (const name of this.#given.keys()) if (!wanted.has(name)) this.#given.delete(name);
    }
    return true;
  }

  /** Names that this stream was given a secret for. */
  get given(): Iterable<string> {
    return this.#given.keys();
  }

  /** The next response: of what is new among the present secrets. Undefined: nothing is. */
  respond(present: readonly NamedSecret[]): SecretResponse | undefined {
    const fresh = present.filter(({ name, digest }) => this.#given.get(name) !== digest);
    if (fresh.length === 0) return undefined;
    for (const { name, digest } of fresh) this.#given.set(name, digest);
    this.#responses += 1;
    this.#nonce = String(this.#responses);
    return secretResponse(fresh, this.#nonce);
  }
}

export function secretResponse(secrets: readonly NamedSecret[], nonce: string): SecretResponse {
  return {
    versionInfo: hash('sha256', secrets.map(({ digest }) => digest).join()).slice(0, 16),
    resources: secrets.map(({ resource }) => resource),
    typeUrl: SECRET_TYPE_URL,
    nonce,
  };
}
