// The channel between issuer and node plugin where both are one process: TLS over a Unix socket, the
// same server certificate and the same check of it as in a cluster.

import { rmSync } from 'node:fs';
import type { Logger } from '../base/log.ts';
import type { Issuer } from '../issuer/issuer.ts';
import { IssuerListener } from '../issuer/issuer-listener.ts';
import { issuerChannelByTrust } from '../node/issuer-credentials.ts';
import { formatPemCertificate } from '../spiffe/pem.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { GrpcClientOptions } from '../transport/grpc/grpc-client.ts';
import { GrpcServer } from '../transport/grpc/grpc-server.ts';
import { fixedAuthorities } from '../transport/grpc/tls-credentials.ts';

/**
 * Listens on a Unix path, whose directory nobody else uses: a socket left there by a process that was
 * killed is replaced. `ended` resolves some time after the signal.
 */
export async function listenForNodes(
  issuer: Issuer,
  path: string,
  { log, signal }: { log: Logger; signal: AbortSignal },
): Promise<{ ended: Promise<void> }> {
  rmSync(path, { force: true });
  const server = new GrpcServer({ services: [issuer.service] });
  const listener = new IssuerListener({
    address: { path },
    authorities: issuer.authorities,
    accept: (connection) => server.accept(connection),
    log,
  });
  await listener.start();
  const end = async () => {
    await listener.run(signal);
    await server.close();
  };
  return { ended: end() };
}

/** How a node plugin dials it: as in a cluster, but over the Unix socket. */
export function issuerChannel(
  issuer: Issuer,
  path: string,
  trustDomain: TrustDomain,
): GrpcClientOptions {
  const pem = issuer.tls().servingCa.map(formatPemCertificate).join('');
  const authorities = fixedAuthorities(Buffer.from(pem));
  return issuerChannelByTrust({ target: `unix:${path}`, authorities, trustDomain });
}
