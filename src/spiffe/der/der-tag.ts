// Identifier octets of the ASN.1 types that certificates are made of (X.690 §8.1.2).

export const TAG = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  NULL: 0x05,
  OBJECT_IDENTIFIER: 0x06,
  ENUMERATED: 0x0a,
  UTF8_STRING: 0x0c,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
  SEQUENCE: 0x30,
  SET: 0x31,
} as const;

/** Context-specific tag `[number]` around a primitive value. */
export function contextTag(number: number): number {
  return 0x80 | number;
}

/** Context-specific tag `[number]` around other elements. */
export function constructedContextTag(number: number): number {
  return 0xa0 | number;
}
