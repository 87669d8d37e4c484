// The node as a witness of issuers' audit logs: keeps the newest checkpoint of each that it was shown,
// in memory, and says so to every issuer that it watches. It judges none of them: it has no key.

import type { Logger } from '../base/log.ts';
import type { AuditCheckpoint } from '../transport/gen/signet/issuer_pb.ts';
import type { Report } from './node-reports.ts';

/** Issuers that came and went; the oldest word makes room. */
const MAX_CHAINS = 64;
const MAX_TEXT = 256;
const MAX_BYTES = 256;

export class AuditWitness {
  readonly #log: Logger;
  readonly #newest = new Map<string, AuditCheckpoint>();
  /** Chains of which two words were heard that cannot both be true. */
  readonly #contradicted = new Set<string>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** What an issuer has shown. */
  see(checkpoint: AuditCheckpoint | undefined): void {
    if (checkpoint === undefined || !isSmall(checkpoint)) return;
    const { chain, sequence, hash } = checkpoint;
    const before = this.#newest.get(chain);
    if (before !== undefined && sequence <= before.sequence) {
      const isSame = sequence < before.sequence || Buffer.compare(hash, before.hash) === 0;
      if (!isSame) this.#contradict(checkpoint);
      return;
    }
    if (this.#contradicted.has(chain)) return;
    this.#newest.delete(chain);
    this.#newest.set(chain, checkpoint);
    for (const oldest of this.#newest.keys()) {
      if (this.#newest.size <= MAX_CHAINS) break;
      this.#newest.delete(oldest);
      this.#contradicted.delete(oldest);
    }
  }

  // The first word stays: it is what others are told, and what the log is compared with.
  #contradict({ chain, sequence, replica }: AuditCheckpoint): void {
    if (this.#contradicted.has(chain)) return;
    this.#contradicted.add(chain);
    const fields = { identity: replica, sequence: Number(sequence) };
    this.#log.error(fields, 'An issuer has shown two audit logs that cannot both be true');
  }

  /** What a new Watch says of them; nothing while there are none. */
  reports(): readonly Report[] {
    const checkpoints = [...this.#newest.values()];
    return checkpoints.length === 0 ? [] : [{ case: 'witnessed', value: { checkpoints } }];
  }
}

function isSmall({ chain, replica, key, hash, signature }: AuditCheckpoint): boolean {
  return (
    [chain, replica, key].every((text) => text !== '' && text.length <= MAX_TEXT) &&
    [hash, signature].every(({ length }) => length > 0 && length <= MAX_BYTES)
  );
}
