// The certificate of the webhook, as the authority role left it in a Secret: read again and again,
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

  /** Why nobody would trust the webhook now. */
  get missing(): readonly string[] {
    if (this.current.value === undefined) return ['webhook certificate: none yet'];
    const isOver = this.#options.clock.now() >= this.#notAfterMs;
    return isOver ? ['webhook certificate: expired'] : [];
  }

  /** Looks until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    const shared = { what: 'read the webhook certificate', clock, log };
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
    const place = { resource: 'secrets', namespace, name: CONTROLLER_SERVING } as const;
    const text = await readDocument(client, place);
    // One that was taken away is still the best there is, until it expires.
    if (text === undefined || text === this.#text) return;
    const { certificate, notAfterMs } = readServingDocument(text);
    this.#text = text;
    this.#notAfterMs = notAfterMs;
    this.current.set(certificate);
  }
}

/** Throws `failed-precondition`, without a word of the content. */
export function readServingDocument(text: string): ServingDocument {
  try {
    const limits = { field: CONTROLLER_SERVING, maxBytes: MAX_BYTES };
    const members = parseStrictJsonObject(Buffer.from(text), limits);
    const [certificate, key] = [members.get('certificate'), members.get('key')];
    if (members.get('format') !== 1) throw damaged();
    if (typeof certificate !== 'string' || typeof key !== 'string') throw damaged();
    const leaf = new X509Certificate(Buffer.from(certificate, 'base64'));
    const privateKey: KeyObject = createPrivateKey({
      key: Buffer.from(key, 'base64'),
      type: 'pkcs8',
      format: 'der',
    });
    if (!leaf.checkPrivateKey(privateKey)) throw damaged();
    return {
      certificate: {
        cert: leaf.toString(),
        key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      },
      notAfterMs: leaf.validToDate.getTime(),
    };
  } catch {
    // The cause could show a piece of the text.
    throw damaged();
  }
}

function damaged(): CodedError {
  return new CodedError('failed-precondition', `Secret ${CONTROLLER_SERVING}: cannot be read`);
}
