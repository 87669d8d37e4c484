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
import { type Certificate, readCertificate } from '../certificate/certificate.ts';
import { distinguishedName } from '../certificate/distinguished-name.ts';
import { keyIdentifier, publicKeyBits } from '../certificate/key-identifier.ts';
import { ATTRIBUTE } from '../certificate/oid.ts';
import { SerialNumbers } from '../certificate/serial-numbers.ts';
import { isSignedBy, signatureAlgorithmOf } from '../certificate/signature-algorithm.ts';
import { wholeSeconds } from '../der/der-time.ts';
import { encodeDer } from '../der/der-writer.ts';
import { type SpiffeId, type TrustDomain, trustDomainId, trustDomainOf } from '../spiffe-id.ts';
import { checkDnsNames } from '../x509-svid/dns-name.ts';
import { checkKeyOfCertificate, readAuthorityCertificate } from './authority-certificate.ts';

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
  /** Nobody who has its key may pass for a client. */
  readonly isServerOnly?: boolean;
};

/** A self-signed root of the trust domain. */
export async function createRootAuthority(options: AuthorityOptions): Promise<X509Authority> {
  return await make(options, authority(options.trustDomain, 'Root'));
}

/** An authority that signs X.509-SVIDs, and nothing that signs. */
export async function createIntermediateAuthority(options: SignedOptions): Promise<X509Authority> {
  const profile = authority(options.trustDomain, 'Intermediate');
  return await make(options, { ...profile, pathLength: 0, forTls: 'both' });
}

/** The self-signed authority of our own endpoints; it belongs in no bundle. */
export async function createServingAuthority(options: AuthorityOptions): Promise<X509Authority> {
  const profile = authority(options.trustDomain, 'Serving');
  return await make(options, { ...profile, pathLength: 0, forTls: 'both' });
}

/** The certificate of one of our own endpoints, such as `spiffe://<trust domain>/signet/issuer`. */
export async function createServingLeaf(options: ServingLeafOptions): Promise<X509Authority> {
  const { spiffeId, dnsNames, trustDomain, isServerOnly = false } = options;
  checkDnsNames(dnsNames);
  if (trustDomainOf(spiffeId) !== trustDomain) throw invalid('SPIFFE ID: another trust domain');
  const forTls = isServerOnly ? 'server' : 'both';
  return await make(options, { name: 'Endpoint', ca: false, spiffeId, dnsNames, forTls });
}

/** What a certificate is for. */
type Profile = {
  /** CN of the subject. */
  readonly name: string;
  readonly ca: boolean;
  readonly pathLength?: number;
  readonly spiffeId: SpiffeId;
  readonly dnsNames: readonly string[];
  readonly forTls: 'no' | 'both' | 'server';
};

// X509-SVID §3.2: an authority is an SVID itself, of the trust domain and without a path.
function authority(trustDomain: TrustDomain, name: string): Profile {
  return { name, ca: true, spiffeId: trustDomainId(trustDomain), dnsNames: [], forTls: 'no' };
}

type Subject = {
  readonly name: Uint8Array;
  readonly spki: Uint8Array;
  readonly keyIdentifier: Uint8Array;
};

type Signer = {
  readonly name: Uint8Array;
  readonly keyIdentifier: Uint8Array;
  readonly key: KeyObject;
};

async function make(
  options: AuthorityOptions & Partial<SignedOptions>,
  profile: Profile,
): Promise<X509Authority> {
  const namedCurve = options.curve ?? 'P-256';
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const bits = publicKeyBits(spki);
  const subject = { name: uniqueName(profile.name), spki, keyIdentifier: keyIdentifier(bits) };
  const signer = readSigner(options) ?? { ...subject, key: privateKey };
  const validity = {
    notBefore: wholeSeconds(options.notBefore),
    notAfter: wholeSeconds(options.notAfter),
  };
  const signingKey = webKey(signer.key);
  const made = await x509.X509CertificateGenerator.create({
    serialNumber: toHex(new SerialNumbers().next()),
    subject: new x509.Name(Uint8Array.from(subject.name)),
    issuer: new x509.Name(Uint8Array.from(signer.name)),
    notBefore: new Date(validity.notBefore),
    notAfter: new Date(validity.notAfter),
    publicKey: Uint8Array.from(spki),
    signingKey,
    signingAlgorithm: { name: signingKey.algorithm.name, hash: webDigest(signer.key) },
    extensions: [
      ...extensionsOf(profile),
      new x509.SubjectKeyIdentifierExtension(toHex(subject.keyIdentifier)),
      new x509.AuthorityKeyIdentifierExtension(toHex(signer.keyIdentifier)),
    ],
  });
  const certificateDer = new Uint8Array(made.rawData);
  const read = readCertificate(certificateDer);
  const asAsked =
    isOf(read, subject, signer) &&
    says(read, profile) &&
    read.notBefore === validity.notBefore &&
    read.notAfter === validity.notAfter;
  if (!asAsked) throw new CodedError('internal', 'authority: the certificate is not as asked');
  return { certificateDer, privateKey };
}

function readSigner(options: AuthorityOptions & Partial<SignedOptions>): Signer | undefined {
  const { signedBy, trustDomain, notAfter } = options;
  if (signedBy === undefined) return undefined;
  const above = readAuthorityCertificate(signedBy.certificateDer, trustDomain);
  checkKeyOfCertificate(signedBy.privateKey, above);
  if (wholeSeconds(notAfter) > above.notAfter) {
    throw invalid('notAfter: later than that of the authority above');
  }
  const { subject: name, subjectKeyIdentifier } = above;
  return { name, keyIdentifier: subjectKeyIdentifier, key: signedBy.privateKey };
}

function extensionsOf(profile: Profile): x509.Extension[] {
  const { digitalSignature, keyCertSign, cRLSign } = x509.KeyUsageFlags;
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
  const purposes = { no: [], both: [serverAuth, clientAuth], server: [serverAuth] }[profile.forTls];
  const uri = { type: 'url' as const, value: profile.spiffeId };
  const names = profile.dnsNames.map((value) => ({ type: 'dns' as const, value }));
  return [
    new x509.BasicConstraintsExtension(profile.ca, profile.pathLength, true),
    new x509.KeyUsagesExtension(profile.ca ? keyCertSign | cRLSign : digitalSignature, true),
    ...(purposes.length > 0 ? [new x509.ExtendedKeyUsageExtension(purposes)] : []),
    new x509.SubjectAlternativeNameExtension([uri, ...names]),
  ];
}

function isOf(read: Certificate, subject: Subject, signer: Signer): boolean {
  return (
    Buffer.compare(read.subject, subject.name) === 0 &&
    Buffer.compare(read.subjectPublicKeyInfo, subject.spki) === 0 &&
    Buffer.compare(read.issuer, signer.name) === 0 &&
    isSignedBy(createPublicKey(signer.key), read)
  );
}

function says({ extensions }: Certificate, profile: Profile): boolean {
  const { basicConstraints, alternativeNames } = extensions;
  return (
    basicConstraints?.ca === profile.ca &&
    basicConstraints.pathLength === profile.pathLength &&
    alternativeNames.uris.join(' ') === profile.spiffeId &&
    alternativeNames.dnsNames.join(' ') === profile.dnsNames.join(' ')
  );
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
