// The authenticator of dev mode, where node plugin and issuer are one process: a random token that
// the process made itself and that never leaves it.

import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { allow, type Decision, refuse } from '../base/errors.ts';
import type { CallerAuthenticator, NodeCaller } from './caller.ts';

const TOKEN_BYTES = 32;
const PROOF_LASTS_MS = 60 * 60_000;

export class ProcessTokenAuthenticator implements CallerAuthenticator {
  readonly token: string = randomBytes(TOKEN_BYTES).toString('base64url');
  readonly #node: string;
  readonly #clock: Clock;
  readonly #digest: Buffer;

  constructor(node: string, clock: Clock) {
    this.#node = node;
    this.#clock = clock;
    this.#digest = hash('sha256', this.token, 'buffer');
  }

  async authenticate(token: string): Promise<Decision<NodeCaller>> {
    if (!timingSafeEqual(hash('sha256', token, 'buffer'), this.#digest)) {
      return refuse('TokenInvalid', 'token: not the one of this process');
    }
    return allow({
      node: this.#node,
      credentialId: this.#digest.subarray(0, 8).toString('hex'),
      expiresAt: this.#clock.now() + PROOF_LASTS_MS,
    });
  }
}
