// SVIDs as a Workload API hands them to whoever connects: one answer, or each as it comes.

import { createPrivateKey, createPublicKey } from 'node:crypto';
import { resolve } from 'node:path';
import { CodedError, invalid } from '../base/errors.ts';
import { readCertificate, splitCertificates } from '../spiffe/certificate/certificate.ts';
import { SpiffeWorkloadAPI, type X509SVIDResponse } from '../transport/gen/spiffe/workload_pb.ts';
import { createGrpcClient, type GrpcClient } from '../transport/grpc/grpc-client.ts';
import { type InspectedCertificate, inspectAll } from './svid-inspect.ts';

export type ReceivedSvid = {
  readonly hint: string;
  /** Leaf first. */
  readonly certificates: readonly InspectedCertificate[];
  readonly chain: readonly Uint8Array[];
  readonly bundle: readonly Uint8Array[];
  readonly keyPkcs8: Uint8Array;
};

/** Workload Endpoint §3. */
const SECURITY_HEADER = { 'workload.spiffe.io': 'true' };
const MAX_SOCKET_PATH_BYTES = 107;
const MAX_SVIDS = 100;

/** The gRPC target of `unix:///path` or a path; throws `invalid-argument`. */
export function socketTarget(address: string | undefined): string {
  if (address === undefined || address === '') {
    throw invalid('no socket: give --socket, or set SPIFFE_ENDPOINT_SOCKET');
  }
  const path = /^unix:(?:\/\/)?(\/.*)$/.exec(address)?.[1] ?? address;
  if (/^[a-z]+:/i.test(path)) throw invalid(`${address}: must be a path or unix:///path`);
  const absolute = resolve(path);
  if (Buffer.byteLength(absolute) > MAX_SOCKET_PATH_BYTES) {
    throw invalid(`${address}: over ${MAX_SOCKET_PATH_BYTES} bytes`);
  }
  return `unix://${absolute}`;
}

export class SvidSource {
  readonly #grpc: GrpcClient<typeof SpiffeWorkloadAPI>;

  constructor(address: string | undefined) {
    this.#grpc = createGrpcClient(SpiffeWorkloadAPI, {
      target: socketTarget(address),
      channel: { 'grpc.max_reconnect_backoff_ms': 1000 },
    });
  }

  async fetch(timeoutMs: number, now: number): Promise<readonly ReceivedSvid[]> {
    const call = { metadata: SECURITY_HEADER, timeoutMs };
    for await (const answer of this.#grpc.fetchX509SVID({}, call)) return read(answer, now);
    throw new CodedError('unavailable', 'the stream ended without an answer');
  }

  /** Each answer until aborted; throws what ended the stream. */
  async *watch(
    signal: AbortSignal,
    now: () => number,
  ): AsyncGenerator<readonly ReceivedSvid[], void, undefined> {
    const call = { metadata: SECURITY_HEADER, signal };
    for await (const answer of this.#grpc.fetchX509SVID({}, call)) yield read(answer, now());
  }

  /** Tokens for an audience, the default identity's first. */
  async fetchTokens(
    audience: readonly string[],
    { spiffeId, timeoutMs }: { readonly spiffeId: string; readonly timeoutMs: number },
  ): Promise<readonly string[]> {
    const call = { metadata: SECURITY_HEADER, timeoutMs };
    const { svids } = await this.#grpc.fetchJWTSVID({ audience: [...audience], spiffeId }, call);
    if (svids.length === 0) throw invalid('the answer has no token');
    return svids.map(({ svid }) => svid);
  }

  close(): void {
    this.#grpc.close();
  }
}

function read({ svids }: X509SVIDResponse, now: number): readonly ReceivedSvid[] {
  if (svids.length === 0 || svids.length > MAX_SVIDS) {
    throw invalid(`the answer has ${svids.length} SVIDs`);
  }
  return svids.map(({ hint, x509Svid, x509SvidKey, bundle }) => {
    const chain = splitCertificates(x509Svid);
    const certificates = inspectAll(chain, now);
    const [leaf] = chain;
    if (leaf === undefined) throw invalid('an SVID has no certificate');
    checkKey(x509SvidKey, leaf);
    return { hint, certificates, chain, bundle: splitCertificates(bundle), keyPkcs8: x509SvidKey };
  });
}

/** A key of another certificate would be found out much later. */
function checkKey(pkcs8: Uint8Array, leaf: Uint8Array): void {
  let spki: Buffer;
  try {
    const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
    spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  } catch {
    // No cause: it is about a secret.
    throw invalid('an SVID has no usable key');
  }
  if (!spki.equals(readCertificate(leaf).subjectPublicKeyInfo)) {
    throw invalid('an SVID has the key of another certificate');
  }
}
