// An issuer behind its listener, and a node's client of it.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'node:test';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { FileAuditLog } from '../../../src/audit/file-audit-log.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { Latest } from '../../../src/base/latest.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { FileAuthorityStore } from '../../../src/issuer/authority/file-authority-store.ts';
import { createIssuer, type Issuer as RunningIssuer } from '../../../src/issuer/issuer.ts';
import { IssuerListener } from '../../../src/issuer/issuer-listener.ts';
import { ProcessTokenAuthenticator } from '../../../src/issuer/process-token-authenticator.ts';
import { readCertificate } from '../../../src/spiffe/certificate/certificate.ts';
import { issuerEndpointId } from '../../../src/spiffe/issuer-endpoint-id.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import {
  Issuer,
  type NodeReportSchema,
  type ToNode,
} from '../../../src/transport/gen/signet/issuer_pb.ts';
import { createGrpcClient, type GrpcClient } from '../../../src/transport/grpc/grpc-client.ts';
import { GrpcServer } from '../../../src/transport/grpc/grpc-server.ts';
import { fixedAuthorities, tlsCredentials } from '../../../src/transport/grpc/tls-credentials.ts';
import { entry, MapPodSource, NODE, pod, TRUST_DOMAIN } from '../../unit/issuer/fixtures.ts';

export type Report = MessageInitShape<typeof NodeReportSchema>;

export let directory: string;
export let stop: AbortController;
export let running: Promise<unknown>;
export let issuer: RunningIssuer;
export let server: GrpcServer;
export let client: GrpcClient<typeof Issuer>;
export let pods: MapPodSource;
export let authorization: { authorization: string };

/** Before and after each test of the file that calls it. */
export function useIssuer(): void {
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'signet-issuer-'));
    stop = new AbortController();
    pods = new MapPodSource(pod());
    const authenticator = new ProcessTokenAuthenticator(NODE, systemClock);
    authorization = { authorization: `Bearer ${authenticator.token}` };
    issuer = createIssuer({
      trustDomain: TRUST_DOMAIN,
      store: new FileAuthorityStore(join(directory, 'authorities')),
      pods,
      authenticator,
      audit: new FileAuditLog(join(directory, 'audit.log'), systemClock),
      clock: systemClock,
      log: silentLogger,
      settings: { jwtKeyType: 'ec-p256' },
    });
    const keeping = issuer.run(stop.signal);
    await issuer.authorities.first(() => true, stop.signal);
    server = new GrpcServer({ services: [issuer.service] });
    const path = join(directory, 'issuer.sock');
    const listener = new IssuerListener({
      address: { path },
      authorities: issuer.authorities,
      accept: (connection) => server.accept(connection),
      log: silentLogger,
    });
    await listener.start();
    running = Promise.all([keeping, listener.run(stop.signal)]);
    client = dial(path, issuerEndpointId(TRUST_DOMAIN));
  });

  afterEach(async () => {
    client.close();
    await server.close();
    stop.abort();
    await running;
    await rm(directory, { recursive: true });
  });
}

export function dial(path: string, expected: string): GrpcClient<typeof Issuer> {
  return createGrpcClient(Issuer, {
    target: `unix:${path}`,
    credentials: tlsCredentials({
      authorities: fixedAuthorities(
        Buffer.from(issuer.tls().servingCa.map(formatPemCertificate).join('')),
      ),
      verify: (der) => {
        const { uris } = readCertificate(der).extensions.alternativeNames;
        assert.deepEqual(uris, [expected]);
      },
    }),
  });
}

export function newPoint(): Uint8Array {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return publicKey.export({ type: 'spki', format: 'der' }).subarray(-65);
}

export function item(change: { podUid?: string } = {}) {
  return {
    podUid: 'pod-uid',
    entryId: 'policy-uid',
    expectedSpiffeId: entry().spiffeId,
    publicKey: { case: 'p256Point' as const, value: newPoint() },
    ...change,
  };
}

/** A Watch whose reports are fed by hand and whose messages are read one by one. */
export function watch(...opening: readonly Report[]) {
  const waiting = [...opening];
  const tick = new Latest<true>();
  const end = new AbortController();
  const stream = async function* () {
    tick.set(true);
    for await (const _ of tick.watch(end.signal)) yield* waiting.splice(0);
  };
  const report = (added: Report) => {
    waiting.push(added);
    tick.set(true);
  };
  const messages = client.watch(stream(), { metadata: authorization, signal: end.signal });
  const iterator = messages[Symbol.asyncIterator]();
  const next = async (): Promise<ToNode['message']> => {
    const { value, done } = await iterator.next();
    assert.equal(done, false);
    return value.message;
  };
  return { next, report, end: () => end.abort() };
}

/** Reports are taken in order, so those sent before are taken in too. */
export async function acknowledged(version: bigint): Promise<void> {
  for (let look = 0; look < 200; look += 1) {
    if (issuer.hasAcknowledged(NODE, 'pod-uid', version)) return;
    await client.signX509Svids({ items: [] }, { metadata: authorization });
  }
  assert.fail('not acknowledged');
}

export const hello: Report = { report: { case: 'hello', value: {} } };
