// What one peer may take of an HTTP server, before anything is known of it.

export type HttpLimits = {
  readonly maxBodyBytes: number;
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
  readonly maxConnections: number;
  /** Of one IP address, whether or not they ever speak. */
  readonly maxPerAddress: number;
  readonly handshakeTimeoutMs: number;
  /** From the first moment of a connection, or of a request on it, to the end of its headers. */
  readonly headersTimeoutMs: number;
  /** To the end of its body. */
  readonly requestTimeoutMs: number;
  /** Of a connection on which nothing moves, or that waits for its next request. */
  readonly idleTimeoutMs: number;
};

export const DEFAULT_HTTP_LIMITS: HttpLimits = {
  maxBodyBytes: 1024 * 1024,
  maxHeaderBytes: 8 * 1024,
  maxHeaders: 64,
  maxConnections: 1024,
  // API servers behind one tunnel share an address.
  maxPerAddress: 256,
  handshakeTimeoutMs: 5000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  idleTimeoutMs: 60_000,
};

/** Node looks for connections over their time this often. */
const MAX_CHECK_INTERVAL_MS = 1000;

/** The same limits as Node's server has them. */
export function toServerOptions(limits: HttpLimits) {
  return {
    maxHeaderSize: limits.maxHeaderBytes,
    handshakeTimeout: limits.handshakeTimeoutMs,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    connectionsCheckingInterval: Math.min(MAX_CHECK_INTERVAL_MS, limits.headersTimeoutMs),
    insecureHTTPParser: false,
    noDelay: true,
  };
}
