// The certificate of a listener of ours, as the authority role left it in a Secret: read again and again,
// taken up while the server runs, and never one that it could not serve with.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { CodedError } from '../base/errors.ts';
import { Latest } from '../base/latest.ts';
import type { Logger } from '../base/log.ts';
import type { KubeClient } from '../kube/kube-client.ts';
import { parseStrictJsonObject } from '../spiffe/strict-json.ts';
import type { TlsCertificate } from '../transport/http/https-server.ts';
import { CONTROLLER_SERVING, readDocument } from './documents.ts';
import { repeat } from './repeat.ts';

export type ServingCertificateOptions = {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** The Secret; that of the webhook unless told otherwise. */
  readonly secret?: string;
};

type ServingDocument = { readonly certificate: TlsCertificate; readonly notAfterMs: number };

const LOOK_EVERY_MS = 30_000;
/** While there is none, at an installation. */
const WAIT_MS = 2000;
const MAX_BYTES = 64 * 1024;

export class ServingCertificate {
  readonly current = new Latest<TlsCertificate>();
  readonly #options: ServingCertificateOptions;
  #text: string | undefined;
  #notAfterMs = 0;

  constructor(options: ServingCertificateOptions) {
    this.#options = options;
  }

  /** Why nobody would trust the listener now. */
  get missing(): readonly string[] {
    if (this.current.value === undefined) return [`${this.#what}: none yet`];
    const isOver = this.#options.clock.now() >= this.#notAfterMs;
    return isOver ? [`${this.#what}: expired`] : [];
  }

  get #what(): string {
    return this.#secret === CONTROLLER_SERVING ? 'webhook certificate' : this.#secret;
  }

  get #secret(): string {
    return this.#options.secret ?? CONTROLLER_SERVING;
  }

  /** Looks until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    const shared = { what: `read the ${this.#what}`, clock, log };
    const first = new AbortController();
    const waiting = AbortSignal.any([signal, first.signal]);
    const look = async () => {
      await this.#look();
      if (this.current.value !== undefined) first.abort();
    };
    await repeat({ ...shared, everyMs: WAIT_MS }, look, waiting);
    await repeat({ ...shared, everyMs: LOOK_EVERY_MS }, async () => await this.#look(), signal);
  }

  async #look(): Promise<void> {
    const { client, namespace } = this.#options;
    const place = { resource: 'secrets', namespace, name: this.#secret } as const;
    const text = await readDocument(client, place);
    // One that was taken away is still the best there is, until it expires.
    if (text === undefined || text === this.#text) return;
    const { certificate, notAfterMs } = readServingDocument(text, this.#secret);
    this.#text = text;
    this.#notAfterMs = notAfterMs;
    this.current.set(certificate);
  }
}

/** Throws `failed-precondition`, without a word of the content. */
export function readServingDocument(text: string, secret = CONTROLLER_SERVING): ServingDocument {
  try {
    const limits = { field: secret, maxBytes: MAX_BYTES };
    const members = parseStrictJsonObject(Buffer.from(text), limits);
    const [certificate, key] = [members.get('certificate'), members.get('key')];
    const chain = members.get('chain') ?? [];
    if (members.get('format') !== 1 || !Array.isArray(chain)) throw damaged(secret);
    if (typeof certificate !== 'string' || typeof key !== 'string') throw damaged(secret);
    const leaf = new X509Certificate(Buffer.from(certificate, 'base64'));
    const privateKey: KeyObject = createPrivateKey({
      key: Buffer.from(key, 'base64'),
      type: 'pkcs8',
      format: 'der',
    });
    if (!leaf.checkPrivateKey(privateKey)) throw damaged(secret);
    const above = (chain as readonly unknown[]).map((each) =>
      new X509Certificate(Buffer.from(String(each), 'base64')).toString(),
    );
    return {
      certificate: {
        cert: [leaf.toString(), ...above].join(''),
        key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      },
      notAfterMs: leaf.validToDate.getTime(),
    };
  } catch {
    // The cause could show a piece of the text.
    throw damaged(secret);
  }
}

function damaged(secret: string): CodedError {
  return new CodedError('failed-precondition', `Secret ${secret}: cannot be read`);
}
