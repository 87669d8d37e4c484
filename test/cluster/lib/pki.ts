// The cluster's own certificates: one authority, and a leaf for every component and node.

import { webcrypto } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import 'reflect-metadata';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralNames,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

export type Leaf = {
  /** File name. */
  readonly name: string;
  readonly subject: string;
  readonly dns?: readonly string[];
  readonly addresses?: readonly string[];
};

type KeyPair = webcrypto.CryptoKeyPair;

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const ISSUER = 'CN=test-cluster';
const LIFETIME_MS = 7 * 24 * 3_600_000;

export class Pki {
  readonly #directory: string;
  readonly #keys: KeyPair;
  #serial = 1;

  private constructor(directory: string, keys: KeyPair) {
    this.#directory = directory;
    this.#keys = keys;
  }

  /** Writes ca.crt, and sa.key and sa.pub for tokens of ServiceAccounts. */
  static async create(directory: string): Promise<Pki> {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const pki = new Pki(directory, await newKeys());
    const certificate = await X509CertificateGenerator.createSelfSigned({
      ...pki.#common(),
      name: ISSUER,
      keys: pki.#keys,
      extensions: [
        new BasicConstraintsExtension(true, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      ],
    });
    pki.#write('ca.crt', certificate.toString('pem'));
    pki.#write('ca.key', await privatePem(pki.#keys));
    const tokens = await newKeys();
    pki.#write('sa.key', await privatePem(tokens));
    pki.#write('sa.pub', pem('PUBLIC KEY', await exported('spki', tokens.publicKey)));
    return pki;
  }

  /** Writes NAME.crt and NAME.key, for servers and clients alike. */
  async leaf({ name, subject, dns = [], addresses = [] }: Leaf): Promise<void> {
    const keys = await newKeys();
    const names: JsonGeneralNames = [
      ...dns.map((value) => ({ type: 'dns' as const, value })),
      ...addresses.map((value) => ({ type: 'ip' as const, value })),
    ];
    const certificate = await X509CertificateGenerator.create({
      ...this.#common(),
      subject,
      issuer: ISSUER,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      extensions: [
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
        ...(names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)]),
      ],
    });
    this.#write(`${name}.crt`, certificate.toString('pem'));
    this.#write(`${name}.key`, await privatePem(keys));
  }

  #common(): { serialNumber: string; notBefore: Date; notAfter: Date; signingAlgorithm: object } {
    this.#serial += 1;
    return {
      serialNumber: this.#serial.toString(16).padStart(4, '0'),
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + LIFETIME_MS),
      signingAlgorithm: ALGORITHM,
    };
  }

  #write(file: string, text: string): void {
    writeFileSync(join(this.#directory, file), `${text}\n`, { mode: 0o600 });
  }
}

async function newKeys(): Promise<KeyPair> {
  return await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

/** SEC 1 would do as well; the API server reads PKCS #8. */
async function privatePem({ privateKey }: KeyPair): Promise<string> {
  return pem('PRIVATE KEY', await exported('pkcs8', privateKey));
}

async function exported(format: 'pkcs8' | 'spki', key: webcrypto.CryptoKey): Promise<Buffer> {
  return Buffer.from(await webcrypto.subtle.exportKey(format, key));
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----`;
}
