// How the two profiles know a bundle endpoint: https_web by a name in a certificate of a public
// authority, https_spiffe by exactly one SPIFFE ID and the authorities of that ID's trust domain. One never
// stands in for the other (SPIFFE Federation §5).

import { constants } from 'node:crypto';
import { isIP } from 'node:net';
import {
  type ConnectionOptions,
  checkServerIdentity,
  type DetailedPeerCertificate,
  getCACertificates,
} from 'node:tls';
import type { Clock } from '../base/clock.ts';
import { formatPemCertificate } from '../spiffe/pem.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import { MAX_CHAIN_LENGTH, validateX509Svid } from '../spiffe/x509-svid/x509-svid.ts';
import { X509TrustAnchors } from '../spiffe/x509-svid/x509-trust-anchors.ts';
import { fetchError } from './fetch-failure.ts';

export type EndpointTrust =
  | { readonly type: 'https_web' /** PEM; Node's own list when undefined. */; readonly ca?: string }
  | {
      readonly type: 'https_spiffe';
      readonly endpointId: SpiffeId;
      /** DER, of the trust domain of `endpointId` alone. */
      readonly authorities: readonly Uint8Array[];
    };

/** TLS options for a connection to the endpoint that is known as `host`. */
export function endpointTls(trust: EndpointTrust, host: string, clock: Clock): ConnectionOptions {
  const shared: ConnectionOptions = {
    // An address is no name to ask for (RFC 6066 §3).
    servername: isIP(host) === 0 ? host : '',
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
    ALPNProtocols: ['http/1.1'],
    // A resumed session would skip the check of the peer.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
  if (trust.type === 'https_web') {
    return {
      ...shared,
      ca: trust.ca ?? [...getCACertificates('bundled')],
      // RFC 6125: against the host of the URL, whatever was resolved.
      checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
    };
  }
  const { authorities } = trust;
  if (authorities.length === 0) {
    throw fetchError('NoBundleToAuthenticate', 'no authority of the trust domain of the endpoint');
  }
  return {
    ...shared,
    ca: authorities.map(formatPemCertificate),
    allowPartialTrustChain: true,
    checkServerIdentity: (_name, certificate) =>
      checkSpiffeEndpoint(chainOf(certificate as DetailedPeerCertificate), trust, clock),
  };
}

/** An error unless the chain is an X509-SVID of exactly the endpoint's ID (§5.2.2.4). */
export function checkSpiffeEndpoint(
  chain: readonly Uint8Array[],
  trust: { readonly endpointId: SpiffeId; readonly authorities: readonly Uint8Array[] },
  clock: Clock,
): Error | undefined {
  try {
    const anchors = new X509TrustAnchors(trust.authorities);
    // Of one trust domain only: the ID is compared whole, so no other can have been meant.
    const { spiffeId } = validateX509Svid(chain, {
      authoritiesOf: () => anchors,
      now: clock.now(),
    });
    if (spiffeId === trust.endpointId) return undefined;
    return fetchError('NotAuthenticated', `the endpoint is ${spiffeId}, not ${trust.endpointId}`);
  } catch (thrown) {
    return fetchError('NotAuthenticated', 'the endpoint has no valid X509-SVID', thrown);
  }
}

/** DER, leaf first. */
function chainOf(leaf: DetailedPeerCertificate): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  let next: DetailedPeerCertificate | undefined = leaf;
  while (next?.raw !== undefined && chain.length < MAX_CHAIN_LENGTH) {
    chain.push(next.raw);
    // A self-signed certificate is its own issuer here.
    if (next.issuerCertificate === next) break;
    next = next.issuerCertificate;
  }
  return chain;
}
