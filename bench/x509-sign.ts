// X.509-SVIDs issued per second on one core, the whole path without transport, beside the limit no
// path can pass: the bare P-256 signature, measured in turns with it in the same run.

import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import {
  createIntermediateAuthority,
  createRootAuthority,
} from '../src/spiffe/authority/x509-authority.ts';
import { parseSpiffeId, parseTrustDomain } from '../src/spiffe/spiffe-id.ts';
import { X509SvidIssuer, type X509SvidRequest } from '../src/spiffe/x509-svid/x509-svid-issuer.ts';

/** `limit` is what the machine could do at best; `ratio` how much of it was reached. */
export type BenchResult = {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly limit: number;
  readonly ratio: number;
};

const BATCH = 32;
const BATCHES_A_ROUND = 10;
const ROUNDS = 60;
const WARM_UP_ROUNDS = 10;
/** Octets of a typical TBSCertificate. */
const TBS_BYTES = 520;

export async function run(): Promise<readonly BenchResult[]> {
  const { issuer, privateKey } = await newIssuer();
  const batch = newBatch();
  const issueBatch = () => {
    for (const request of batch) issuer.issue(request);
  };
  const signBatch = () => signTimes(privateKey, BATCH);
  const issueMs: number[] = [];
  const signMs: number[] = [];
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    const issued = timeMs(issueBatch);
    const signed = timeMs(signBatch);
    if (round < 0) continue;
    issueMs.push(issued);
    signMs.push(signed);
  }
  const value = perSecond(issueMs);
  const limit = perSecond(signMs);
  return [
    {
      name: 'x509-sign',
      value: Math.round(value),
      unit: 'X.509-SVIDs/s',
      limit: Math.round(limit),
      ratio: Math.round((value / limit) * 1000) / 1000,
    },
  ];
}

async function newIssuer(): Promise<{ issuer: X509SvidIssuer; privateKey: KeyObject }> {
  const trustDomain = parseTrustDomain('example.org');
  const notBefore = Date.now() - 60_000;
  const validity = { trustDomain, notBefore, notAfter: notBefore + 2 * 86_400_000 };
  const root = await createRootAuthority(validity);
  const intermediate = await createIntermediateAuthority({ ...validity, signedBy: root });
  const above = [root.certificateDer];
  const issuer = new X509SvidIssuer({
    trustDomain,
    ...intermediate,
    above,
    organization: 'Signet',
  });
  return { issuer, privateKey: intermediate.privateKey };
}

/** A batch as it arrives over the node channel: a new key for each pod, one-hour leaves. */
function newBatch(): readonly X509SvidRequest[] {
  const now = Date.now();
  return Array.from({ length: BATCH }, (_, index) => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return {
      publicKey: publicKey.export({ type: 'spki', format: 'der' }).subarray(-65),
      spiffeId: parseSpiffeId(`spiffe://example.org/ns/city-${index}/sa/traffic-controller`),
      notBefore: now - 60_000,
      notAfter: now + 3_600_000,
    };
  });
}

function signTimes(privateKey: KeyObject, times: number): void {
  const tbs = Buffer.alloc(TBS_BYTES, 1);
  for (let count = 0; count < times; count += 1) sign('sha256', tbs, privateKey);
}

function timeMs(work: () => void): number {
  const start = performance.now();
  for (let count = 0; count < BATCHES_A_ROUND; count += 1) work();
  return performance.now() - start;
}

/** Of the median round: a neighbour on the machine spoils some rounds, not most. */
function perSecond(rounds: readonly number[]): number {
  const median = rounds.toSorted((a, b) => a - b)[Math.floor(rounds.length / 2)] ?? Number.NaN;
  return (BATCH * BATCHES_A_ROUND * 1000) / median;
}

if (import.meta.main) for (const result of await run()) console.log(JSON.stringify(result));
