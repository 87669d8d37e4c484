// What Go says of a certificate, and the numbers that it says it in.

export type Facts = {
  readonly error?: string;
  readonly verifyError: string;
  readonly chainLength: number;
  readonly serialNumber: string;
  readonly signatureAlgorithm: string;
  readonly publicKeyAlgorithm: string;
  readonly publicKey: string;
  readonly organization: readonly string[] | null;
  readonly commonName: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly uris: readonly string[] | null;
  readonly dnsNames: readonly string[] | null;
  readonly otherNames: number;
  readonly isCA: boolean;
  readonly maxPathLen: number;
  readonly keyUsage: number;
  readonly extKeyUsage: readonly number[] | null;
  readonly subjectKeyId: string;
  readonly authorityKeyId: string;
  readonly critical: readonly string[] | null;
  readonly unhandled: number;
};

/** Bits and numbers of Go's KeyUsage and ExtKeyUsage. */
export const DIGITAL_SIGNATURE = 1;
export const KEY_ENCIPHERMENT = 4;
export const CERT_SIGN_AND_CRL_SIGN = 32 | 64;
export const SERVER_AND_CLIENT = [1, 2];
export const BASIC_CONSTRAINTS = '2.5.29.19';
export const KEY_USAGE = '2.5.29.15';
export const ALTERNATIVE_NAME = '2.5.29.17';
