// What a node plugin reads from files to reach the issuer: the serving authorities and the token that
// proves the node. Others write both, at first perhaps later than we start, and replace them, so both
// are read again before every call.

import { readFile } from 'node:fs/promises';
import { CodedError, invalid } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { readCertificate } from '../spiffe/certificate/certificate.ts';
import { formatPemCertificate, parsePemCertificates } from '../spiffe/pem.ts';
import type { TlsAuthorities } from '../transport/grpc/tls-credentials.ts';

const MAX_FILE_BYTES = 64 * 1024;
const MAX_AUTHORITIES = 16;
/** What a header may carry: no blanks, no control characters. */
const TOKEN = /^[\x21-\x7e]+$/;

export class IssuerAuthorities implements TlsAuthorities {
  readonly #path: string;
  readonly #log: Logger;
  readonly #listeners = new Set<() => void>();
  #text = '';
  #pem: Buffer | undefined;

  constructor(path: string, log: Logger) {
    this.#path = path;
    this.#log = log;
  }

  /** Undefined until the file has been usable once. */
  get pem(): Buffer | undefined {
    return this.#pem;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Reads the file again. One that cannot be used changes nothing: the last good one counts. Whoever
   * mounts it may do so empty: until the first good one that is worth no word.
   */
  async refresh(): Promise<void> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (err) {
      if (this.#pem === undefined) return;
      this.#log.warn({ path: this.#path, err }, 'Failed to read the issuer authorities again');
      return;
    }
    if (text === this.#text) return;
    this.#text = text;
    if (text.trim() === '' && this.#pem === undefined) return;
    try {
      this.#pem = normalPem(text);
    } catch (err) {
      this.#log.error({ path: this.#path, err }, 'Ignored issuer authorities that do not parse');
      return;
    }
    this.#log.info({ path: this.#path }, 'Took up new issuer authorities');
    for (const listener of this.#listeners) listener();
  }
}

/** The token in a file, without the line end; errors name the file and never what is in it. */
export async function readToken(path: string): Promise<string> {
  let text: string;
  try {
    text = (await readFile(path, 'utf8')).trim();
  } catch (thrown) {
    throw new CodedError('unavailable', `${path}: ${reasonOf(thrown)}`, { cause: thrown });
  }
  if (text.length <= MAX_FILE_BYTES && TOKEN.test(text)) return text;
  throw new CodedError('unavailable', `${path}: holds no token`);
}

function normalPem(text: string): Buffer {
  if (text.length > MAX_FILE_BYTES) throw invalid(`over ${MAX_FILE_BYTES} bytes`);
  const certificates = parsePemCertificates(text);
  if (certificates.length > MAX_AUTHORITIES) throw invalid(`over ${MAX_AUTHORITIES} certificates`);
  for (const certificate of certificates) readCertificate(certificate);
  return Buffer.from(certificates.map(formatPemCertificate).join(''));
}

function reasonOf(thrown: unknown): string {
  if (thrown instanceof Error && 'code' in thrown && 'syscall' in thrown) {
    return `cannot be read (${String(thrown.code)})`;
  }
  return CodedError.from(thrown).message;
}
