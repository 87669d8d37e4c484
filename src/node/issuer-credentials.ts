// How a node plugin knows the issuer, wherever it dials it: by a chain to the serving authorities, and
// by the issuer's own ID as the only one. Names and addresses say nothing.

import { CodedError } from '../base/errors.ts';
import { readCertificate } from '../spiffe/certificate/certificate.ts';
import { issuerEndpointId } from '../spiffe/issuer-endpoint-id.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { GrpcClientOptions } from '../transport/grpc/grpc-client.ts';
import { type TlsAuthorities, tlsCredentials } from '../transport/grpc/tls-credentials.ts';

export type IssuerChannelOptions = {
  /** `dns:///host:port` or `unix:/path`. */
  readonly target: string;
  readonly authorities: TlsAuthorities;
  readonly trustDomain: TrustDomain;
};

/** Servers need some name in the handshake, and an address is not one. */
const SERVER_NAME = 'signet-issuer';
/** A name may stand for all replicas: nodes spread over them, each keeps to one while it lasts. */
const SERVICE_CONFIG = { loadBalancingConfig: [{ pick_first: { shuffleAddressList: true } }] };
/** Replicas that were replaced have other addresses. */
const RESOLVE_AT_MOST_EVERY_MS = 5000;

/** Channel options that hold for every address of an issuer. */
export function issuerChannelByTrust(options: IssuerChannelOptions): GrpcClientOptions {
  return {
    target: options.target,
    credentials: tlsCredentials({
      authorities: options.authorities,
      verify: (der) => checkIssuerCertificate(der, options.trustDomain),
    }),
    channel: {
      'grpc.ssl_target_name_override': SERVER_NAME,
      'grpc.service_config': JSON.stringify(SERVICE_CONFIG),
      'grpc.dns_min_time_between_resolutions_ms': RESOLVE_AT_MOST_EVERY_MS,
    },
  };
}

/** Throws unless the certificate carries the issuer's ID and no other. */
export function checkIssuerCertificate(der: Uint8Array, trustDomain: TrustDomain): void {
  const { uris } = readCertificate(der).extensions.alternativeNames;
  const [uri, ...more] = uris;
  if (uri === issuerEndpointId(trustDomain) && more.length === 0) return;
  throw new CodedError('unauthenticated', 'the issuer has not the ID of an issuer');
}
