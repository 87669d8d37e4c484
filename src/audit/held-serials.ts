// What nodes hold, beside what the log says was issued: a certificate of the first and not of the second
// was signed by somebody who does not write, or with a key that was taken.

import type { AuditLine } from './audit-chain.ts';

type Place = { readonly file: string; readonly line: number };
type Held = Place & {
  readonly serial: string;
  readonly node: string;
  readonly podUid: string;
  readonly chain: string;
  readonly notBefore: number;
};

export class HeldSerials {
  readonly #issued = new Set<string>();
  readonly #held = new Map<string, Held>();

  read({ event, fields, chain }: AuditLine, place: Place): void {
    const { serial, held, node } = fields;
    if (event === 'X509SvidIssued' && typeof serial === 'string') this.#issued.add(plain(serial));
    if (event !== 'SvidsHeld' || !Array.isArray(held)) return;
    for (const each of held as readonly unknown[]) {
      if (typeof each !== 'object' || each === null) continue;
      const { serial: text, podUid, notBefore } = each as Readonly<Record<string, unknown>>;
      if (typeof text !== 'string' || this.#held.has(plain(text))) continue;
      const of = { node: String(node), podUid: String(podUid), chain, ...place };
      const from = Date.parse(String(notBefore));
      this.#held.set(plain(text), { ...of, serial: plain(text), notBefore: from });
    }
  }

  /** Those that no line issued, of which lines from `from` on would say so. */
  *unlogged(from: number): Iterable<Held> {
    for (const held of this.#held.values()) {
      if (!this.#issued.has(held.serial) && !(held.notBefore < from)) yield held;
    }
  }
}

/** Without the zero octets that DER puts in front. */
function plain(serial: string): string {
  return serial.replace(/^(?:00)+/, '');
}
