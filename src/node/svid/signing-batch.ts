// Collects what is asked for in one turn into few requests, so that a hundred pods that start
// together cost the issuer a handful of calls, each small enough not to hold up the others.

/** What the issuer says to one item: an SVID, or a reason. */
export type SignedX509 =
  | {
      readonly issued: true;
      /** DER certificates, leaf first. */
      readonly chain: readonly Uint8Array[];
    }
  | { readonly issued: false; readonly reason: string; readonly message: string };

export type X509Item = {
  readonly podUid: string;
  readonly entryId: string;
  readonly spiffeId: string;
  /** P-256 point, or SubjectPublicKeyInfo of another type. */
  readonly publicKey: Uint8Array;
};

export type SignX509Batch = (items: readonly X509Item[]) => Promise<readonly SignedX509[]>;

const MAX_ITEMS = 32;

type Waiting = {
  readonly item: X509Item;
  readonly resolve: (result: SignedX509) => void;
  readonly reject: (thrown: unknown) => void;
};

export class SigningBatch {
  readonly #sign: SignX509Batch;
  #waiting: Waiting[] = [];

  constructor(sign: SignX509Batch) {
    this.#sign = sign;
  }

  async sign(item: X509Item): Promise<SignedX509> {
    return await new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) setImmediate(() => this.#flush());
      this.#waiting.push({ item, resolve, reject });
    });
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let at = 0; at < waiting.length; at += MAX_ITEMS) {
      void this.#send(waiting.slice(at, at + MAX_ITEMS));
    }
  }

  async #send(batch: readonly Waiting[]): Promise<void> {
    try {
      const results = await this.#sign(batch.map(({ item }) => item));
      for (const [index, { resolve, reject }] of batch.entries()) {
        const result = results[index];
        if (result === undefined) reject(new Error('the issuer answered fewer items than asked'));
        else resolve(result);
      }
    } catch (thrown) {
      for (const { reject } of batch) reject(thrown);
    }
  }
}
