// Makes the certificates of authorities, and the leaves of our own endpoints: rare work, done by a
// library. What comes out is read back by the strict reader before anybody gets it. Apart from all
// else here, so that no other module loads the library.

import 'reflect-metadata';
import {
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  type webcrypto,
} from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { CodedError, invalid } from '../../base/errors.ts';
import { readCertificate } from '../certificate/certificate.ts';
import { distinguishedName } from '../certificate/distinguished-name.ts';
import { keyIdentifier, publicKeyBits } from '../certificate/key-identifier.ts';
import { ATTRIBUTE } from '../certificate/oid.ts';
import { SerialNumbers } from '../certificate/serial-numbers.ts';
import { isSignedBy, signatureAlgorithmOf } from '../certificate/signature-algorithm.ts';
import { wholeSeconds } from '../der/der-time.ts';
import { encodeDer } from '../der/der-writer.ts';
import { type SpiffeId, type TrustDomain, trustDomainId } from '../spiffe-id.ts';
import { readAuthorityCertificate } from './authority-certificate.ts';

/** A certificate with its private key. */
export type X509Authority = { readonly certificateDer: Uint8Array; readonly privateKey: KeyObject };

export type AuthorityOptions = {
  readonly trustDomain: TrustDomain;
  /** Milliseconds since the epoch; parts of a second are cut off. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly curve?: 'P-256' | 'P-384';
};

export type SignedOptions = AuthorityOptions & { readonly signedBy: X509Authority };

export type ServingLeafOptions = SignedOptions & {
  readonly spiffeId: SpiffeId;
  readonly dnsNames: readonly string[];
};

type Profile = AuthorityOptions & {
  readonly commonName: string;
  readonly signedBy?: X509Authority;
  readonly extensions: readonly x509.Extension[];
};

/** A self-signed root of the trust domain. */
export async function createRootAuthority(options: AuthorityOptions): Promise<X509Authority> {
  const extensions = authorityExtensions(options.trustDomain);
  return await make({ ...options, commonName: 'Root', extensions });
}

/** An authority that signs X.509-SVIDs, and nothing that signs. */
export async function createIntermediateAuthority(options: SignedOptions): Promise<X509Authority> {
  const extensions = [...authorityExtensions(options.trustDomain, 0), bothSidesOfTls()];
  return await make({ ...options, commonName: 'Intermediate', extensions });
}

/** The self-signed authority of our own endpoints; it belongs in no bundle. */
export async function createServingAuthority(options: AuthorityOptions): Promise<X509Authority> {
  const extensions = [...authorityExtensions(options.trustDomain, 0), bothSidesOfTls()];
  return await make({ ...options, commonName: 'Serving', extensions });
}

/** The certificate of one of our own endpoints, such as `spiffe://<trust domain>/signet/issuer`. */
export async function createServingLeaf(options: ServingLeafOptions): Promise<X509Authority> {
  const extensions = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    bothSidesOfTls(),
    alternativeNames(options.spiffeId, options.dnsNames),
  ];
  return await make({ ...options, commonName: 'Endpoint', extensions });
}

function authorityExtensions(trustDomain: TrustDomain, pathLength?: number): x509.Extension[] {
  const { keyCertSign, cRLSign } = x509.KeyUsageFlags;
  return [
    new x509.BasicConstraintsExtension(true, pathLength, true),
    new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
    // X509-SVID §3.2: an authority is an SVID itself, of the trust domain and without a path.
    alternativeNames(trustDomainId(trustDomain), []),
  ];
}

function bothSidesOfTls(): x509.Extension {
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
  return new x509.ExtendedKeyUsageExtension([serverAuth, clientAuth]);
}

function alternativeNames(id: SpiffeId, dnsNames: readonly string[]): x509.Extension {
  return new x509.SubjectAlternativeNameExtension([
    { type: 'url', value: id },
    ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
  ]);
}

async function make(profile: Profile): Promise<X509Authority> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', {
    namedCurve: profile.curve ?? 'P-256',
  });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const ownKeyIdentifier = keyIdentifier(publicKeyBits(spki));
  const subject = uniqueName(profile.commonName);
  const above = readSigner(profile);
  const signer = profile.signedBy?.privateKey ?? privateKey;
  const signingKey = webKey(signer);
  const made = await x509.X509CertificateGenerator.create({
    serialNumber: toHex(new SerialNumbers().next()),
    subject: new x509.Name(Uint8Array.from(subject)),
    issuer: new x509.Name(Uint8Array.from(above?.subject ?? subject)),
    notBefore: new Date(wholeSeconds(profile.notBefore)),
    notAfter: new Date(wholeSeconds(profile.notAfter)),
    publicKey: Uint8Array.from(spki),
    signingKey,
    signingAlgorithm: { name: signingKey.algorithm.name, hash: webDigest(signer) },
    extensions: [
      ...profile.extensions,
      new x509.SubjectKeyIdentifierExtension(toHex(ownKeyIdentifier)),
      new x509.AuthorityKeyIdentifierExtension(
        toHex(above?.subjectKeyIdentifier ?? ownKeyIdentifier),
      ),
    ],
  });
  const certificateDer = new Uint8Array(made.rawData);
  const read = readCertificate(certificateDer);
  const asAsked =
    Buffer.compare(read.subjectPublicKeyInfo, spki) === 0 &&
    Buffer.compare(read.subject, subject) === 0 &&
    Buffer.compare(read.issuer, above?.subject ?? subject) === 0 &&
    read.notBefore === wholeSeconds(profile.notBefore) &&
    read.notAfter === wholeSeconds(profile.notAfter) &&
    isSignedBy(createPublicKey(signer), read);
  if (!asAsked) throw new CodedError('internal', 'authority: the certificate is not as asked');
  return { certificateDer, privateKey };
}

function readSigner({ signedBy, trustDomain, notAfter }: Profile) {
  if (signedBy === undefined) return undefined;
  const above = readAuthorityCertificate(signedBy.certificateDer, trustDomain);
  if (wholeSeconds(notAfter) > above.notAfter) {
    throw invalid('notAfter: later than that of the authority above');
  }
  return above;
}

// Chains are built by names: two authorities must never share one, not even after a rotation.
function uniqueName(commonName: string): Uint8Array {
  const name = distinguishedName([
    [ATTRIBUTE.ORGANIZATION, 'Signet'],
    [ATTRIBUTE.COMMON_NAME, commonName],
    [ATTRIBUTE.SERIAL_NUMBER, toHex(randomBytes(16))],
  ]);
  return encodeDer(name);
}

function webKey(key: KeyObject): webcrypto.CryptoKey {
  const hash = webDigest(key);
  const namedCurve = WEB_CURVE.get(key.asymmetricKeyDetails?.namedCurve ?? '') ?? '';
  const algorithm =
    key.asymmetricKeyType === 'rsa'
      ? { name: 'RSASSA-PKCS1-v1_5', hash }
      : { name: 'ECDSA', namedCurve };
  return key.toCryptoKey(algorithm, false, ['sign']);
}

const WEB_CURVE: ReadonlyMap<string, string> = new Map([
  ['prime256v1', 'P-256'],
  ['secp384r1', 'P-384'],
  ['secp521r1', 'P-521'],
]);

function webDigest(key: KeyObject): string {
  return signatureAlgorithmOf(key).digest.replace('sha', 'SHA-');
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
