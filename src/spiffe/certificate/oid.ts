// The object identifiers of our certificates, as the hex of their content octets (X.690 §8.19):
// that is what the reader yields and the writer takes.

/** Subject attributes (RFC 5280 §4.1.2.4). */
export const ATTRIBUTE = {
  COMMON_NAME: '550403',
  SERIAL_NUMBER: '550405',
  ORGANIZATION: '55040a',
} as const;

/** Certificate extensions (RFC 5280 §4.2.1). */
export const EXTENSION = {
  SUBJECT_KEY_IDENTIFIER: '551d0e',
  KEY_USAGE: '551d0f',
  SUBJECT_ALTERNATIVE_NAME: '551d11',
  BASIC_CONSTRAINTS: '551d13',
  NAME_CONSTRAINTS: '551d1e',
  AUTHORITY_KEY_IDENTIFIER: '551d23',
  EXTENDED_KEY_USAGE: '551d25',
} as const;

/** Extensions of CRLs and of their entries (RFC 5280 §5.2, §5.3). */
export const CRL_EXTENSION = {
  CRL_NUMBER: '551d14',
  REASON_CODE: '551d15',
} as const;

/** Extended key usages (RFC 5280 §4.2.1.12). */
export const PURPOSE = {
  SERVER_AUTH: '2b06010505070301',
  CLIENT_AUTH: '2b06010505070302',
} as const;

/** Public keys and curves (RFC 5480 §2.1, RFC 3279 §2.3.1). */
export const KEY = {
  EC: '2a8648ce3d0201',
  P256: '2a8648ce3d030107',
  P384: '2b81040022',
  RSA: '2a864886f70d010101',
} as const;

/** Signatures (RFC 5758 §3.2, RFC 4055 §5). */
export const SIGNATURE = {
  ECDSA_SHA256: '2a8648ce3d040302',
  ECDSA_SHA384: '2a8648ce3d040303',
  ECDSA_SHA512: '2a8648ce3d040304',
  RSA_SHA256: '2a864886f70d01010b',
  RSA_SHA384: '2a864886f70d01010c',
  RSA_SHA512: '2a864886f70d01010d',
} as const;
