// The audit log of a run of the authority role: signed at its end with the key of the issuers' endpoint,
// which the role makes and renews.

import type { AuditAnchor } from '../../audit/audit-anchor.ts';
import type { AuditLog } from '../../audit/audit-log.ts';
import { AuditTrail } from '../../audit/audit-trail.ts';
import type { CheckpointSigner } from '../../audit/checkpoint.ts';
import { type AuthorityStore, decodeKey } from '../../issuer/authority/authority-store.ts';
import type { AuthorityRunOptions } from '../../issuer/authority/main.ts';
import { readServingLeaf } from '../../issuer/authority/serving-leaf.ts';

const ATTEMPTS = 4;
const AGAIN_MS = 1000;

export class AuthorityTrail {
  readonly trail: AuditTrail;
  readonly #audit: AuditLog;
  readonly #startedAt: number;
  readonly #options: Omit<AuthorityRunOptions, 'audit'>;
  #signer: CheckpointSigner | undefined;

  constructor(audit: AuditLog, options: Omit<AuthorityRunOptions, 'audit'>, anchor?: AuditAnchor) {
    const { trustDomain, clock, log } = options;
    this.#audit = audit;
    this.#startedAt = audit.head?.sequence ?? 0;
    this.#options = options;
    const signer = () => this.#signer;
    this.trail = new AuditTrail({ audit, trustDomain, signer, anchor, clock, log });
  }

  /** Signs what was written and has it kept; a run that changed nothing has nothing to sign. */
  async seal(store: AuthorityStore, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    if ((this.#audit.head?.sequence ?? 0) === this.#startedAt) return;
    try {
      const leaf = readServingLeaf(await store.read('issuer-serving'));
      const certificate = Buffer.from(leaf.certificate, 'base64');
      this.#signer = { certificate, privateKey: decodeKey(leaf.key) };
    } catch (err) {
      log.warn({ err }, 'Failed to sign the audit log');
      return;
    }
    // The first run may be earlier than the Lease.
    for (let attempt = 1; attempt <= ATTEMPTS && !signal.aborted; attempt += 1) {
      if (await this.trail.settle(signal)) return;
      await clock.sleep(AGAIN_MS, signal);
    }
  }
}
