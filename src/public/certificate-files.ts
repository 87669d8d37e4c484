// A certificate that an operator puts into files, as a mounted kubernetes.io/tls Secret has them: read
// again and again, and never one that could not be served with.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { CodedError, invalid } from '../base/errors.ts';
import { Latest } from '../base/latest.ts';
import type { Logger } from '../base/log.ts';
import type { TlsCertificate } from '../transport/http/https-server.ts';

export type CertificateFilesOptions = {
  /** Holds `tls.crt`, leaf first, and `tls.key`. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
};

const LOOK_EVERY_MS = 15_000;
/** While there is none, at an installation. */
const WAIT_MS = 1000;
const MAX_BYTES = 64 * 1024;

export class CertificateFiles {
  readonly current = new Latest<TlsCertificate>();
  readonly #options: CertificateFilesOptions;
  #text = '';
  #problem = '';

  constructor(options: CertificateFilesOptions) {
    this.#options = options;
  }

  /** Looks until aborted; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await this.look();
      await clock.sleep(this.current.value === undefined ? WAIT_MS : LOOK_EVERY_MS, signal);
    }
  }

  /** Reads the files again. What cannot be used changes nothing, and is logged once. */
  async look(): Promise<void> {
    const { directory: path, log } = this.#options;
    try {
      const cert = await readText(join(path, 'tls.crt'));
      const key = await readText(join(path, 'tls.key'));
      const text = `${cert}\0${key}`;
      if (text === this.#text) return;
      const certificate = checked(cert, key);
      this.#text = text;
      this.#problem = '';
      this.current.set(certificate);
    } catch (thrown) {
      const { message } = CodedError.from(thrown);
      if (message !== this.#problem) log.warn({ path, message }, 'A certificate cannot be used');
      this.#problem = message;
    }
  }
}

async function readText(path: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch {
    throw invalid(`${path}: cannot be read`);
  }
  if (bytes.length > MAX_BYTES) throw invalid(`${path}: over ${MAX_BYTES} bytes`);
  return bytes.toString('latin1');
}

// Without causes: they could show a piece of the key.
function checked(cert: string, key: string): TlsCertificate {
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(cert);
  } catch {
    throw invalid('tls.crt: no certificate in PEM');
  }
  let isPair: boolean;
  try {
    isPair = leaf.checkPrivateKey(createPrivateKey(key));
  } catch {
    throw invalid('tls.key: no private key in PEM');
  }
  // The two files may be looked at between their writes: the next look finds both.
  if (!isPair) throw invalid('tls.key: of another certificate');
  return { cert, key };
}
