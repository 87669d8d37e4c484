// X.509-SVIDs issued per second on one core, the whole path without transport, beside the limit no
// path can pass: the bare P-256 signature, measured in turns with it in the same run.

import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import {
  createIntermediateAuthority,
  createRootAuthority,
} from '../src/spiffe/authority/x509-authority.ts';
import { parseSpiffeId, parseTrustDomain } from '../src/spiffe/spiffe-id.ts';
import { X509SvidIssuer, type X509SvidRequest } from '../src/spiffe/x509-svid/x509-svid-issuer.ts';
import { type BenchResult, benchResult, inTurns, perSecond, signTimes } from './bench-result.ts';

const BATCH = 32;
const ROUND = { times: 10, each: BATCH };
const ROUNDS = { warmUp: 10, kept: 60 };

export async function run(): Promise<readonly BenchResult[]> {
  const { issuer, privateKey } = await newIssuer();
  const batch = newBatch();
  const issueBatch = () => {
    for (const request of batch) issuer.issue(request);
  };
  const rates = inTurns(
    ROUNDS,
    () => perSecond(issueBatch, ROUND),
    () => perSecond(() => signTimes(privateKey, BATCH), ROUND),
  );
  return [benchResult({ name: 'x509-sign', unit: 'X.509-SVIDs/s', ...rates })];
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

if (import.meta.main) for (const result of await run()) console.log(JSON.stringify(result));
