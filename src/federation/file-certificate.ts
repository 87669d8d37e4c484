// The certificate of an https_web endpoint: the operator's own, as files that something else renews, such
// as a mounted TLS Secret. Read again and again; one that cannot be served with changes nothing.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { CodedError } from '../base/errors.ts';
import { Latest } from '../base/latest.ts';
import type { Logger } from '../base/log.ts';
import { formatPemCertificate, parsePemCertificates } from '../spiffe/pem.ts';
import type { TlsCertificate } from '../transport/http/https-server.ts';

export type FileCertificateOptions = {
  /** Holds `tls.crt`, the leaf first, and `tls.key`, both PEM. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly lookEveryMs?: number;
};

const LOOK_EVERY_MS = 10_000;
const MAX_BYTES = 256 * 1024;

export class FileCertificate {
  readonly current = new Latest<TlsCertificate>();
  readonly #options: FileCertificateOptions;
  #seen = '';

  constructor(options: FileCertificateOptions) {
    this.#options = options;
  }

  /** Looks until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, directory, lookEveryMs = LOOK_EVERY_MS } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#look();
      } catch (err) {
        const message = 'Failed to read the certificate of the bundle endpoint';
        log.warn({ path: directory, err }, message);
      }
      await clock.sleep(lookEveryMs, signal);
    }
  }

  async #look(): Promise<void> {
    const { directory } = this.#options;
    const [cert, key] = [await read(directory, 'tls.crt'), await read(directory, 'tls.key')];
    const seen = `${cert}\n${key}`;
    if (seen === this.#seen) return;
    const certificate = readPair(cert, key);
    this.#seen = seen;
    this.current.set(certificate);
  }
}

async function read(directory: string, name: string): Promise<string> {
  const bytes = await readFile(join(directory, name));
  if (bytes.length > MAX_BYTES) throw new CodedError('resource-exhausted', `${name}: too large`);
  return bytes.toString('utf8');
}

/** Throws `failed-precondition`, without a word of the key. */
function readPair(cert: string, key: string): TlsCertificate {
  try {
    const chain = parsePemCertificates(cert);
    const [leaf] = chain;
    const privateKey = createPrivateKey(key);
    // A renewal replaces two files: between the two they do not belong together.
    if (leaf === undefined || !new X509Certificate(leaf).checkPrivateKey(privateKey)) {
      throw new Error('mismatch');
    }
    return {
      cert: chain.map(formatPemCertificate).join(''),
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    };
  } catch {
    throw new CodedError(
      'failed-precondition',
      'tls.crt and tls.key: not a certificate and its key',
    );
  }
}
