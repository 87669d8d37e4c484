// The settings every connection here has: our SVID, the authorities of those trust domains alone
// whose workloads may be the peer, TLS 1.2 or later, and no way to resume a session, because a
// resumed one would outlive certificates, authorities and authorizers.

import { constants } from 'node:crypto';
import { Duplex } from 'node:stream';
import {
  type ConnectionOptions,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
  type SecureContextOptions,
  type TlsOptions,
} from 'node:tls';
import { CodedError } from '../../src/base/errors.ts';
import { formatPemCertificate } from '../../src/spiffe/pem.ts';
import type { SpiffeId } from '../../src/spiffe/spiffe-id.ts';
import type { VerifiedPeer } from './live-connections.ts';
import { type Begun, type PeerCheck, verifyPeer } from './peer-identity.ts';
import type { X509Bundle } from './x509-bundles.ts';
import type { X509Svid } from './x509-context.ts';

/** Authenticated encryption with forward secrecy only, in TLS 1.2 too. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

const HANDSHAKE_TIMEOUT_MS = 10_000;

/** The secure context for what the source holds now. Throws when it holds no identity. */
export function secureContextOptions({ source, authorize }: PeerCheck): SecureContextOptions {
  const { chain, privateKey } = source.svid;
  const authorities = [...authorize.trustDomains].flatMap(
    (trustDomain) => source.bundleOf(trustDomain)?.authorities ?? [],
  );
  return {
    cert: chain.map(formatPemCertificate).join(''),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    // Given even when empty: without it Node would trust the public web's authorities.
    ca: authorities.map(formatPemCertificate),
    // X509-SVID §6.1: an authority need not be self-signed.
    allowPartialTrustChain: true,
    minVersion: 'TLSv1.2',
    ciphers: CIPHERS,
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  };
}

type MadeContext = {
  readonly bundles: readonly (X509Bundle | undefined)[];
  readonly context: SecureContext;
};

/** By what they were made of, so that one certificate is read once for all of its connections. */
const madeContexts = new WeakMap<X509Svid, MadeContext[]>();
/** The SPIFFE ID that each of them presents. */
const presentedBy = new WeakMap<object, SpiffeId>();
/** Of one SVID, one for each set of trust domains that is asked for. */
const MAX_CONTEXTS = 8;

/** The context of a client's connection. Throws when the source holds no identity. */
export function secureContextOf(check: PeerCheck): SecureContext {
  const { source, authorize } = check;
  const { svid } = source;
  const bundles = Array.from(authorize.trustDomains, (each) => source.bundleOf(each));
  const made = madeContexts.get(svid) ?? [];
  const known = made.find(
    (one) =>
      one.bundles.length === bundles.length &&
      one.bundles.every((each, at) => each === bundles[at]),
  );
  if (known !== undefined) return known.context;
  const context = createSecureContext(secureContextOptions(check));
  presentedBy.set(context, svid.spiffeId);
  madeContexts.set(svid, [{ bundles, context }, ...made.slice(0, MAX_CONTEXTS - 1)]);
  return context;
}

/** A context that completes no handshake: for servers without an identity. */
export const NO_IDENTITY: SecureContextOptions = { ca: [], minVersion: 'TLSv1.2' };

/** What a server needs before its first secure context; it must not be used without `admitPeers`. */
export const SERVER_OPTIONS: TlsOptions = {
  ...NO_IDENTITY,
  requestCert: true,
  rejectUnauthorized: true,
  handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
};

/**
 * Options for one `tls.connect`, or for a client that takes its options (`ssl` of a database
 * client): with what the source holds now, so make them anew for each connection. The peer is
 * judged after OpenSSL accepted its chain and before anything is sent. A connection over a socket that
 * was given with the options ends when the source says so; any other one is out of reach.
 */
export function tlsClientOptions(check: PeerCheck): ConnectionOptions {
  const own = check.source.svid.spiffeId;
  return {
    ...secureContextOptions(check),
    rejectUnauthorized: true,
    checkServerIdentity: identityCheck(check, watchUnderlying(check, own)),
  };
}

type Verified = (peer: VerifiedPeer, options: unknown) => void;
type IdentityCheck = LiveTlsOptions['checkServerIdentity'];

/** `verified` is also given what Node calls the check on: the options of the connection. */
export function identityCheck(check: PeerCheck, verified: Verified): IdentityCheck {
  return function (this: unknown, _host, certificate) {
    try {
      // Node passes the detailed form, which leads to the issuers.
      verified(verifyPeer(certificate as DetailedPeer, check), this);
      return undefined;
    } catch (thrown) {
      return CodedError.from(thrown);
    }
  };
}

// A client that brings its own socket, as databases' do, has TLS made over it: that one can be ended.
// It counts for the identity that was presented, which may not be the one of now.
function watchUnderlying({ source }: PeerCheck, presented?: SpiffeId): Verified {
  return (peer, options) => {
    const { socket, secureContext } = (options ?? {}) as ConnectionOptions;
    if (!(socket instanceof Duplex)) return;
    const shown = presented ?? (secureContext && presentedBy.get(secureContext));
    source.connections.add({ socket, peer, own: shown ?? source.svid.spiffeId });
  };
}

/** `secureContext` is made at each reading, so copies of this object do not follow the source. */
export type LiveTlsOptions = {
  readonly secureContext: SecureContext;
  readonly rejectUnauthorized: true;
  readonly checkServerIdentity: (host: string, certificate: PeerCertificate) => Error | undefined;
};

/**
 * Options for a pool that keeps one object for all connections to come, and reads it for each of
 * them. Reading never throws: without an identity there is a context that completes no handshake.
 * Connections that the pool makes over sockets of its own end when the source says so.
 */
export function liveTlsOptions(check: PeerCheck): LiveTlsOptions {
  return {
    get secureContext() {
      try {
        return secureContextOf(check);
      } catch {
        // Its owner sees the reason in the source.
        return createSecureContext(NO_IDENTITY);
      }
    },
    rejectUnauthorized: true,
    checkServerIdentity: identityCheck(check, watchUnderlying(check)),
  };
}

/** What the source holds now; without an identity, `NO_IDENTITY`: its owner sees the reason there. */
export function presentContext(check: PeerCheck): SecureContextOptions {
  try {
    return secureContextOptions(check);
  } catch {
    return NO_IDENTITY;
  }
}

/** What a handshake goes by that begins with `presentContext`; undefined with `NO_IDENTITY`. */
export function begunWith({ source, authorize }: PeerCheck): Begun | undefined {
  try {
    const own = source.svid.spiffeId;
    const trusted = Array.from(authorize.trustDomains, (trustDomain) => {
      const bundle = source.bundleOf(trustDomain);
      return bundle === undefined ? [] : [[trustDomain, bundle] as const];
    });
    return { own, bundles: new Map(trusted.flat()) };
  } catch {
    return undefined;
  }
}

type DetailedPeer = Parameters<typeof verifyPeer>[0];
