// The revocation lists of roots: who of the intermediates was revoked. A root's key is at hand only in
// the authority job, and that of one that stands by only while it is made: its first list is good for as
// long as the root is, and replaced as soon as the root signs something.

import type { Authority, AuthorityState } from '../../authorities/authority-state.ts';
import type { X509Authority } from '../../spiffe/authority/x509-authority.ts';
import { CRL_REASON, type Crl, readCrl } from '../../spiffe/crl/crl.ts';
import { signCrl } from '../../spiffe/crl/crl-signing.ts';
import { decodeKey } from './authority-store.ts';

const DAY = 24 * 3600;
/** Of the list of a root that signs. The job may fail for four weeks. */
const LIFETIME = 35 * DAY;
const RENEW_AFTER = 7 * DAY;
/** Clocks of verifiers may be behind. */
const BACKDATE = 600;

/** DER in base64 of the empty list of a root that was just made. */
export function firstRootCrl(root: Authority, signer: X509Authority, now: number): string {
  return sign({ ...root, revoked: [] }, signer, { now, number: now, nextUpdate: root.notAfter });
}

export type RootCrlSigned = {
  readonly state: AuthorityState;
  /** The root. */
  readonly id: string;
  readonly entries: number;
};

/** The state with a list that is due, of a root whose key is among `keys`; undefined when none is. */
export function withRootCrl(
  state: AuthorityState,
  keys: readonly (readonly [id: string, key: string])[],
  now: number,
): RootCrlSigned | undefined {
  const known = new Map(keys);
  for (const root of state.authorities) {
    const key = known.get(root.id);
    if (root.kind !== 'root' || root.certificate === undefined || key === undefined) continue;
    const before = readStored(root);
    const revoked = (root.revoked ?? []).filter(({ notAfter }) => notAfter > now);
    if (before !== undefined && !isDue(before, { ...root, revoked }, now)) continue;
    const signer = {
      certificateDer: new Uint8Array(Buffer.from(root.certificate, 'base64')),
      privateKey: decodeKey(key),
    };
    const number = Math.max(now, Number(before?.number ?? 0) + 1);
    const nextUpdate = signs(root) ? now + LIFETIME : root.notAfter;
    const crl = sign({ ...root, revoked }, signer, { now, number, nextUpdate });
    const { revoked: _, ...rest } = root;
    const next = { ...rest, crl, ...(revoked.length === 0 ? {} : { revoked }) };
    const authorities = state.authorities.map((one) => (one.id === root.id ? next : one));
    return { state: { ...state, authorities }, id: root.id, entries: revoked.length };
  }
  return undefined;
}

function sign(
  { revoked = [] }: Authority,
  signer: X509Authority,
  { now, number, nextUpdate }: { now: number; number: number; nextUpdate: number },
): string {
  const der = signCrl(signer, {
    number: BigInt(number),
    thisUpdate: (now - BACKDATE) * 1000,
    nextUpdate: nextUpdate * 1000,
    revoked: revoked.map(({ serial, revokedAt }) => ({
      serialNumber: Buffer.from(serial, 'hex'),
      revokedAt: revokedAt * 1000,
      reason: CRL_REASON.CESSATION_OF_OPERATION,
    })),
  });
  return Buffer.from(der).toString('base64');
}

function isDue(crl: Crl, root: Authority, now: number): boolean {
  const listed = crl.revoked.map(({ serialNumber }) => Buffer.from(serialNumber).toString('hex'));
  const wanted = (root.revoked ?? []).map(({ serial }) => serial);
  if (listed.toSorted().join() !== wanted.toSorted().join()) return true;
  const madeAt = crl.thisUpdate / 1000 + BACKDATE;
  const isLong = crl.nextUpdate / 1000 > now + 2 * LIFETIME;
  return signs(root) && (isLong || now >= madeAt + RENEW_AFTER || now < madeAt - BACKDATE);
}

/** Whether something that is valid may have been signed by it. */
function signs({ phase }: Authority): boolean {
  return phase === 'active' || phase === 'retired';
}

/** One that cannot be read is made anew. */
function readStored({ crl }: Authority): Crl | undefined {
  if (crl === undefined) return undefined;
  try {
    return readCrl(Buffer.from(crl, 'base64'));
  } catch {
    return undefined;
  }
}
