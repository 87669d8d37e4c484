// One leader at a time. Work stops a good while before others may take over, whatever held it up: a
// slow API server, a stalled event loop, a stopped process. Nobody's clock is compared with another's.

import type { Clock } from '../base/clock.ts';
import { CodedError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { KubeClient } from './kube-client.ts';
import { Lease, type LeaseName, type LeaseRecord, microTime } from './lease.ts';

export type LeaderElectionOptions = {
  readonly client: KubeClient;
  readonly lease: LeaseName;
  /** Of this process alone: a successor of the same pod name has another one. */
  readonly identity: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Others take over when they see no renewal for so long. */
  readonly leaseMs?: number;
  /** The leader stops without a renewal for so long; shorter than `leaseMs`. */
  readonly renewDeadlineMs?: number;
  readonly retryMs?: number;
};

export type Leadership = {
  /** Aborted when the leadership ends. */
  readonly signal: AbortSignal;
  /** Grows with each change of leaders. */
  readonly term: number;
  /** Throws `aborted` unless this process leads now; to be called before each write. */
  readonly check: () => void;
};

const LEASE_MS = 15_000;
const RENEW_DEADLINE_MS = 10_000;
const RETRY_MS = 2000;
/** One request that hangs must not cost the leadership. */
const REQUEST_TIMEOUT_MS = 3000;

/** A lease that is held: what was written last, and when that was begun. */
type Held = { record: LeaseRecord; renewedAt: number };

export class LeaderElection {
  readonly #options: Required<LeaderElectionOptions>;
  readonly #lease: Lease;
  /** The version that was seen last of somebody else's lease, and since when it stands. */
  #seen: { readonly version: string; readonly at: number } | undefined;

  constructor(options: LeaderElectionOptions) {
    this.#options = {
      leaseMs: LEASE_MS,
      renewDeadlineMs: RENEW_DEADLINE_MS,
      retryMs: RETRY_MS,
      ...options,
    };
    const { renewDeadlineMs, leaseMs } = this.#options;
    if (renewDeadlineMs >= leaseMs) throw new RangeError('the deadline is not before the end');
    this.#lease = new Lease(options.client, options.lease);
  }

  /**
   * Runs `work` whenever this process leads, until aborted. When a leadership ends, its work has
   * ended before the next one begins. Rejects when `work` does.
   */
  async run(work: (leadership: Leadership) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock, log, retryMs, identity } = this.#options;
    while (!signal.aborted) {
      const held = await this.#tryToAcquire(signal).catch((err: unknown) => {
        if (!signal.aborted) log.debug({ err }, 'Failed to look at the lease, will retry');
        return undefined;
      });
      if (held !== undefined) {
        log.info({ identity, count: held.record.transitions }, 'Started to lead');
        await this.#lead(held, work, signal);
        log.info({ identity }, 'Stopped leading');
      }
      await clock.sleep(retryMs, signal);
    }
  }

  async #tryToAcquire(signal: AbortSignal): Promise<Held | undefined> {
    const { clock, identity, leaseMs } = this.#options;
    const record = await this.#lease.read(signal);
    if (record !== undefined && record.holder !== '' && !this.#isOver(record)) return undefined;
    const renewedAt = clock.now();
    const time = microTime(renewedAt);
    const spec = {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(leaseMs / 1000),
      acquireTime: time,
      renewTime: time,
      leaseTransitions: record === undefined ? 0 : record.transitions + 1,
    };
    return { record: await this.#lease.write(spec, record, signal), renewedAt };
  }

  // Times in the lease are of somebody else's clock; what counts is how long it has stood still.
  #isOver({ version, durationMs }: LeaseRecord): boolean {
    const now = this.#options.clock.now();
    if (this.#seen?.version !== version) this.#seen = { version, at: now };
    return now - this.#seen.at >= Math.max(durationMs, this.#options.leaseMs);
  }

  async #lead(
    held: Held,
    work: (leadership: Leadership) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const stop = new AbortController();
    const onAbort = () => stop.abort();
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) stop.abort();
    const leadership: Leadership = {
      signal: stop.signal,
      term: held.record.transitions,
      check: () => {
        if (!stop.signal.aborted && this.#isHeld(held)) return;
        stop.abort();
        throw new CodedError('aborted', 'no longer the leader');
      },
    };
    const guards = [this.#renew(held, stop), this.#guard(held, stop)];
    try {
      await work(leadership);
    } finally {
      stop.abort();
      signal.removeEventListener('abort', onAbort);
      await Promise.all(guards);
      await this.#release(held);
    }
  }

  async #renew(held: Held, stop: AbortController): Promise<void> {
    const { clock, log, retryMs } = this.#options;
    for (;;) {
      await clock.sleep(retryMs, stop.signal);
      if (stop.signal.aborted) return;
      const renewedAt = clock.now();
      try {
        const spec = { renewTime: microTime(renewedAt) };
        const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]);
        const record = await this.#lease.write(spec, held.record, signal);
        // What came too late must not bring a leadership back that has ended.
        if (!stop.signal.aborted && this.#isHeld(held)) Object.assign(held, { record, renewedAt });
      } catch (thrown) {
        if (stop.signal.aborted) return;
        const err = CodedError.from(thrown);
        log.warn({ err }, 'Failed to renew the lease, will retry');
        if (err.code === 'aborted' && !(await this.#isStillOurs(held, stop))) stop.abort();
      }
    }
  }

  /** After a lost race: perhaps somebody only labelled the lease. */
  async #isStillOurs(held: Held, { signal }: AbortController): Promise<boolean> {
    try {
      const record = await this.#lease.read(signal);
      if (record?.holder !== this.#options.identity) return false;
      if (record.transitions !== held.record.transitions) return false;
      held.record = record;
      return true;
    } catch {
      return true;
    }
  }

  async #guard(held: Held, stop: AbortController): Promise<void> {
    const { clock, renewDeadlineMs } = this.#options;
    while (!stop.signal.aborted && this.#isHeld(held)) {
      await clock.sleep(held.renewedAt + renewDeadlineMs - clock.now(), stop.signal);
    }
    stop.abort();
  }

  #isHeld({ renewedAt }: Held): boolean {
    const age = this.#options.clock.now() - renewedAt;
    // A clock that was set back says nothing about how long ago it was.
    return age >= 0 && age < this.#options.renewDeadlineMs;
  }

  /** Gives the lease back, so that nobody waits for it to run out; only while it is ours. */
  async #release(held: Held): Promise<void> {
    if (!this.#isHeld(held)) return;
    try {
      const spec = { holderIdentity: '', renewTime: microTime(this.#options.clock.now()) };
      await this.#lease.write(spec, held.record, AbortSignal.timeout(REQUEST_TIMEOUT_MS));
    } catch (err) {
      this.#options.log.debug({ err }, 'Failed to release the lease');
    }
  }
}
