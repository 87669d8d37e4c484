// Whether a point lies on P-256 or P-384, by the curve's own equation. Points are public, so time
// may depend on them; the same question to OpenSSL takes ten times as long (it imports a key).

/** y² = x³ − 3x + b over the field of p (SP 800-186 §3.2.1). */
export type PrimeCurve = { readonly p: bigint; readonly b: bigint; readonly octets: number };

export const P256: PrimeCurve = {
  p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
  b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  octets: 32,
};

export const P384: PrimeCurve = {
  p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
  b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
  octets: 48,
};

const UNCOMPRESSED = 0x04;

/**
 * Whether these octets are an uncompressed point of the curve. Both groups have prime order, so a
 * point on the curve is a valid public key (SP 800-56A §5.6.2.3.3); infinity has no such form.
 */
export function isOnCurve(point: Uint8Array, curve: PrimeCurve): boolean {
  const { p, b, octets } = curve;
  if (point.length !== 1 + 2 * octets || point[0] !== UNCOMPRESSED) return false;
  const x = unsigned(point, 1, octets);
  const y = unsigned(point, 1 + octets, octets);
  return x < p && y < p && (y * y - (x * x - 3n) * x - b) % p === 0n;
}

function unsigned(bytes: Uint8Array, from: number, length: number): bigint {
  const octets = Buffer.from(bytes.buffer, bytes.byteOffset + from, length);
  return BigInt(`0x${octets.toString('hex')}`);
}
