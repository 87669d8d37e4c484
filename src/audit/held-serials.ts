// What nodes hold, beside what the log says was issued: a certificate of the first and not of the second
// was signed by somebody who does not write, or with a key that was taken.

import { type AuditLine, MAX_SKEW_MS } from './audit-chain.ts';

type Place = { readonly file: string; readonly line: number };
type Held = Place & {
  readonly serial: string;
  readonly node: string;
  readonly podUid: string;
  readonly chain: string;
  readonly notBefore: number;
};
type Issued = Place & { readonly chain: string; readonly sequence: number };

export class HeldSerials {
  readonly #issued = new Map<string, Issued[]>();
  /** By node and serial: what one says of a serial is no word of another. */
  readonly #held = new Map<string, Held>();

  read({ event, fields, chain, sequence, time }: AuditLine, place: Place): void {
    const { serial, held, node } = fields;
    if (event === 'X509SvidIssued' && typeof serial === 'string') {
      const line = { chain, sequence, ...place };
      const lines = this.#issued.get(plain(serial));
      if (lines === undefined) this.#issued.set(plain(serial), [line]);
      else lines.push(line);
    }
    if (event !== 'SvidsHeld' || !Array.isArray(held)) return;
    for (const each of held as readonly unknown[]) {
      if (typeof each !== 'object' || each === null) continue;
      const { serial: text, podUid, notBefore } = each as Readonly<Record<string, unknown>>;
      if (typeof text !== 'string') continue;
      const id = JSON.stringify([node, plain(text)]);
      // What is held has begun: nothing is held for ever because a node says so.
      const [begun, latest] = [Date.parse(String(notBefore)), Date.parse(time) + MAX_SKEW_MS];
      const from = begun <= latest ? begun : latest;
      if ((this.#held.get(id)?.notBefore ?? Number.NEGATIVE_INFINITY) >= from) continue;
      const of = { node: String(node), podUid: String(podUid), chain, ...place };
      this.#held.set(id, { ...of, serial: plain(text), notBefore: from });
    }
  }

  /**
   * Those that no line issued for which `isGood`, of which lines from `from` on would say so; with the
   * lines that are not.
   */
  *unlogged(
    from: number,
    isGood: (line: Issued) => boolean,
  ): Iterable<Held & { readonly claimedBy: readonly Issued[] }> {
    for (const held of this.#held.values()) {
      const claimedBy = this.#issued.get(held.serial) ?? [];
      if (!claimedBy.some(isGood) && !(held.notBefore < from)) yield { ...held, claimedBy };
    }
  }
}

/** Without the zero octets that DER puts in front. */
function plain(serial: string): string {
  return serial.replace(/^(?:00)+/, '');
}
