// What one socket's peers can make the server hold and do. A connection that goes beyond is ended
// with ENHANCE_YOUR_CALM; a request that does is refused alone where the connection can go on.

export type Limits = {
  /** Streams open at once on a connection. */
  readonly maxStreams: number;
  /** Handlers at work on a connection, those of streams that were given up included. */
  readonly maxCalls: number;
  /** A header block, as sent and, by the count of SETTINGS_MAX_HEADER_LIST_SIZE, decoded. */
  readonly maxHeaderBytes: number;
  /** A header list over this is no mistake but an attack: it ends the connection. */
  readonly maxHeaderBombBytes: number;
  readonly maxContinuations: number;
  /** Requests that are not complete, of all connections of the socket together. */
  readonly maxBufferedBytes: number;
  /** From the connection's start to the client's SETTINGS. */
  readonly prefaceMs: number;
  /** For a header block, or a frame, from its first byte to its last. */
  readonly partMs: number;
  /** For a message, from its first byte to its last; for one that is all of a request, to its end. */
  readonly messageMs: number;
  /** Without a byte from the peer, it is asked for one; then it has as long again to answer. */
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
  /** How long answers may take to go out when the connection ends. */
  readonly closeMs: number;
  /** Streams that are given up before they were answered, by either side. */
  readonly resets: Allowance;
  /** Frames that ask for work and carry no request: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA. */
  readonly control: Allowance;
};

export type Allowance = { readonly burst: number; readonly perSecond: number };

export const LIMITS: Limits = {
  maxStreams: 64,
  maxCalls: 128,
  maxHeaderBytes: 8 * 1024,
  maxHeaderBombBytes: 64 * 1024,
  maxContinuations: 16,
  maxBufferedBytes: 1024 * 1024,
  prefaceMs: 10_000,
  partMs: 10_000,
  messageMs: 10_000,
  keepaliveMs: 60_000,
  keepaliveTimeoutMs: 20_000,
  closeMs: 500,
  resets: { burst: 100, perSecond: 20 },
  control: { burst: 1000, perSecond: 100 },
};

/** Tokens that come back with time, and with work that was really done. */
export class Budget {
  readonly #allowance: Allowance;
  #tokens: number;
  #filledAt: number;

  constructor(allowance: Allowance, now: number) {
    this.#allowance = allowance;
    this.#tokens = allowance.burst;
    this.#filledAt = now;
  }

  /** Whether there was one token more, at this time in milliseconds. */
  spend(now: number): boolean {
    // Filled up only when it is empty: what came back meanwhile is at most another burst.
    if (this.#tokens < 1) {
      const { burst, perSecond } = this.#allowance;
      this.#tokens = Math.min(burst, ((now - this.#filledAt) * perSecond) / 1000);
      this.#filledAt = now;
      if (this.#tokens < 1) return false;
    }
    this.#tokens -= 1;
    return true;
  }

  earn(tokens: number): void {
    this.#tokens = Math.min(this.#allowance.burst, this.#tokens + tokens);
  }
}
