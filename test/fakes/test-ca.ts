// Certificate authorities made at run time, for tests. Its encoder knows nothing of the code under
// test, and every rule of X509-SVID can be broken on request, so tests can show what is refused.

import {
  createHash,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto';

/** What a certificate deviates in; the default is a correct X509-SVID. */
export type CertificateShape = {
  readonly uris?: readonly string[];
  readonly dnsNames?: readonly string[];
  /** Of a leaf; without one the subject is empty. */
  readonly commonName?: string;
  readonly ca?: boolean;
  /** First octet of the KeyUsage bit string: 0x80 digitalSignature, 0x04 keyCertSign, 0x02 cRLSign. */
  readonly keyUsage?: number;
  readonly extendedKeyUsage?: readonly ('serverAuth' | 'clientAuth')[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
};

export type TestSvid = {
  readonly spiffeId: string;
  /** DER, leaf first, without the root. */
  readonly chain: readonly Uint8Array[];
  readonly privateKey: KeyObject;
};

type KeyPair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
type Subject = { readonly keys: KeyPair; readonly commonName: string };

const HOUR_MS = 3_600_000;
const KEY_CERT_SIGN_CRL_SIGN = 0x06;
const DIGITAL_SIGNATURE = 0x80;
const EKU = { serverAuth: '2b06010505070301', clientAuth: '2b06010505070302' };

export class TestCa {
  readonly trustDomain: string;
  readonly certificate: Uint8Array;
  readonly #self: Subject;
  readonly #above: readonly Uint8Array[];

  constructor(trustDomain: string, issuedBy?: { issuer: TestCa; shape?: CertificateShape }) {
    this.trustDomain = trustDomain;
    this.#self = {
      keys: newKeys(),
      commonName: `${trustDomain} ${randomBytes(4).toString('hex')}`,
    };
    const shape = {
      ca: true,
      uris: [`spiffe://${trustDomain}`],
      notAfter: new Date(Date.now() + 10 * HOUR_MS),
      ...issuedBy?.shape,
    };
    const issuer = issuedBy === undefined ? this.#self : issuedBy.issuer.#self;
    this.certificate = makeCertificate(issuer, this.#self, shape);
    this.#above = issuedBy ? [this.certificate, ...issuedBy.issuer.#above] : [];
  }

  get keys(): KeyPair {
    return this.#self.keys;
  }

  /** An authority below this one; its certificate travels in the chains it issues. */
  intermediate(shape: CertificateShape = {}): TestCa {
    return new TestCa(this.trustDomain, { issuer: this, shape });
  }

  /** `keys` lets a second certificate be made for the same key pair. */
  svid(path: string, shape: CertificateShape = {}, keys: KeyPair = newKeys()): TestSvid {
    const spiffeId = `spiffe://${this.trustDomain}${path}`;
    const leaf = makeCertificate(
      this.#self,
      { keys, commonName: shape.commonName ?? '' },
      {
        uris: [spiffeId],
        ...shape,
      },
    );
    return { spiffeId, chain: [leaf, ...this.#above], privateKey: keys.privateKey };
  }
}

export function newKeys(): KeyPair {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

export function notAfterOf(certificate: Uint8Array): Date {
  return new X509Certificate(certificate).validToDate;
}

function makeCertificate(issuer: Subject, subject: Subject, shape: CertificateShape): Uint8Array {
  const ca = shape.ca ?? false;
  const subjectSpki = spki(subject.keys.publicKey);
  const extensions = [
    extension(
      '551d0f',
      true,
      keyUsage(shape.keyUsage ?? (ca ? KEY_CERT_SIGN_CRL_SIGN : DIGITAL_SIGNATURE)),
    ),
    extension('551d13', true, sequence(...(ca ? [tlv(0x01, [0xff])] : []))),
    extension('551d0e', false, tlv(0x04, sha1(subjectSpki))),
    extension('551d23', false, sequence(tlv(0x80, sha1(spki(issuer.keys.publicKey))))),
    ...subjectAlternativeName(shape, subject.commonName === ''),
  ];
  if (!ca) {
    const uses = shape.extendedKeyUsage ?? ['serverAuth', 'clientAuth'];
    extensions.push(extension('551d25', false, sequence(...uses.map((use) => oid(EKU[use])))));
  }
  const algorithm = sequence(oid('2a8648ce3d040302'));
  const tbs = sequence(
    tlv(0xa0, tlv(0x02, [2])),
    tlv(0x02, [0x40, ...randomBytes(15)]),
    algorithm,
    name(issuer.commonName),
    sequence(
      utcTime(shape.notBefore ?? new Date(Date.now() - 60_000)),
      utcTime(shape.notAfter ?? new Date(Date.now() + HOUR_MS)),
    ),
    name(subject.commonName),
    subjectSpki,
    tlv(0xa3, sequence(...extensions)),
  );
  const signature = sign('sha256', tbs, issuer.keys.privateKey);
  return new Uint8Array(sequence(tbs, algorithm, tlv(0x03, [0], signature)));
}

function subjectAlternativeName(shape: CertificateShape, critical: boolean): Buffer[] {
  const names = [
    ...(shape.uris ?? []).map((uri) => tlv(0x86, Buffer.from(uri, 'latin1'))),
    ...(shape.dnsNames ?? []).map((dnsName) => tlv(0x82, Buffer.from(dnsName, 'latin1'))),
  ];
  return names.length === 0 ? [] : [extension('551d11', critical, sequence(...names))];
}

function keyUsage(bits: number): Buffer {
  const unused = Math.min(7, 31 - Math.clz32(bits & -bits));
  return tlv(0x03, [unused, bits]);
}

function extension(id: string, critical: boolean, value: Uint8Array): Buffer {
  return sequence(oid(id), ...(critical ? [tlv(0x01, [0xff])] : []), tlv(0x04, value));
}

function name(commonName: string): Buffer {
  if (commonName === '') return sequence();
  return sequence(tlv(0x31, sequence(oid('550403'), tlv(0x0c, Buffer.from(commonName)))));
}

function utcTime(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]/g, '').slice(2, 14);
  return tlv(0x17, Buffer.from(`${digits}Z`));
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

function sha1(bytes: Uint8Array): Buffer {
  return createHash('sha1').update(bytes).digest();
}

function oid(hex: string): Buffer {
  return tlv(0x06, Buffer.from(hex, 'hex'));
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return tlv(0x30, ...parts);
}

function tlv(tag: number, ...parts: readonly (Uint8Array | readonly number[])[]): Buffer {
  const value = Buffer.concat(parts.map((part) => Uint8Array.from(part)));
  const { length } = value;
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), value]);
}
