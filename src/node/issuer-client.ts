// The node's one connection to the issuer: keeps a Watch open, feeds what it says into the view,
// and carries sign requests. The token is read anew for every call, because the kubelet rotates it.

import { backoffMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { CodedError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { Issuer, type ToNode } from '../transport/gen/signet/issuer_pb.ts';
import {
  createGrpcClient,
  type GrpcClient,
  type GrpcClientOptions,
} from '../transport/grpc/grpc-client.ts';
import { AuditWitness } from './audit-witness.ts';
import { NodeReports, type Report } from './node-reports.ts';
import type { NodeView } from './node-view.ts';
import type { SignedJwt, SignJwtRequest } from './svid/jwt-svids.ts';
import type { SignedX509, X509Item } from './svid/signing-batch.ts';
import { P256_POINT_BYTES } from './svid/workload-key.ts';

export type IssuerClientOptions = {
  readonly channel: GrpcClientOptions;
  /** The bearer token that proves which node calls. */
  readonly token: () => Promise<string>;
  /** Awaited before the issuer is called. */
  readonly ready?: (signal: AbortSignal) => Promise<void>;
  readonly view: NodeView;
  /** What a new Watch starts with: what is held, and every published pod. */
  readonly opening: () => readonly Report[];
  readonly clock: Clock;
  readonly log: Logger;
  /** For the first message of a Watch. */
  readonly answerWithinMs?: number;
};

const CALL_TIMEOUT_MS = 5000;
/** A node that is not told of the issuer's end would hear of no withdrawal either. */
const KEEPALIVE = {
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
} as const;
/**
 * Issuers that are replaced have other addresses, and those of pods that are gone answer nothing, not
 * even no: a connection to one would be tried for two minutes.
 */
const ANSWER_WITHIN_MS = 10_000;
/** Attempts, of which the later ones are ten seconds apart. */
const SAY_EVERY = 30;
const RECONNECT = { initialMs: 100, maxMs: 10_000 } as const;

export class IssuerClient {
  readonly reports = new NodeReports();
  readonly #options: IssuerClientOptions;
  readonly #channel: GrpcClientOptions;
  readonly #witness: AuditWitness;
  #client: GrpcClient<typeof Issuer>;
  readonly #stop = new AbortController();

  constructor(options: IssuerClientOptions) {
    this.#options = options;
    this.#witness = new AuditWitness(options.log);
    this.#channel = {
      ...options.channel,
      channel: { ...KEEPALIVE, ...options.channel.channel },
    };
    this.#client = createGrpcClient(Issuer, this.#channel);
  }

  /** Watches until aborted, coming back with back-off whenever the stream ends. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, ready } = this.#options;
    let attempt = 0;
    while (!signal.aborted) {
      await ready?.(signal);
      if (signal.aborted) break;
      let wasAnswered = false;
      try {
        await this.#watch(signal, () => {
          wasAnswered = true;
          attempt = 0;
        });
      } catch (err) {
        if (signal.aborted) break;
        // A replica that goes is followed by another at once; what lasts is said, and why.
        const isPassing = CodedError.from(err).code === 'unavailable' && attempt % SAY_EVERY !== 2;
        if (isPassing) log.debug({ err, attempt }, 'Lost the issuer');
        else log.warn({ err, attempt }, 'Failed to watch the issuer');
      }
      if (!wasAnswered) this.#replaceChannel();
      await clock.sleep(backoffMs(attempt, RECONNECT), signal);
      attempt += 1;
    }
    this.#stop.abort();
    this.#client.close();
  }

  /** Looks up the issuer's addresses anew, and waits for no connection that was begun before. */
  #replaceChannel(): void {
    // Calls that are under way there end by themselves.
    this.#client.close();
    this.#client = createGrpcClient(Issuer, this.#channel);
  }

  async signX509(items: readonly X509Item[]): Promise<readonly SignedX509[]> {
    const request = {
      items: items.map(({ podUid, entryId, spiffeId, publicKey }) => ({
        podUid,
        entryId,
        expectedSpiffeId: spiffeId,
        publicKey:
          publicKey.length === P256_POINT_BYTES
            ? { case: 'p256Point' as const, value: publicKey }
            : { case: 'spki' as const, value: publicKey },
      })),
    };
    const answer = await this.#client.signX509Svids(request, await this.#call());
    const { results, auditCheckpoint } = answer;
    this.#witness.see(auditCheckpoint);
    return results.map(({ result }): SignedX509 => {
      if (result.case !== 'issued') return refused(result.value);
      return { issued: true, chain: result.value.chain };
    });
  }

  async signJwt(request: SignJwtRequest): Promise<readonly SignedJwt[]> {
    const { results, auditCheckpoint } = await this.#client.signJwtSvids(
      {
        podUid: request.podUid,
        items: request.items.map(({ entryId, spiffeId }) => ({
          entryId,
          expectedSpiffeId: spiffeId,
        })),
        audience: [...request.audience],
      },
      await this.#call(),
    );
    this.#witness.see(auditCheckpoint);
    return results.map(({ result }): SignedJwt => {
      if (result.case !== 'issued') return refused(result.value);
      const { token, issuedAt, expiresAt } = result.value;
      return { issued: true, token, issuedAt: toMs(issuedAt), expiresAt: toMs(expiresAt) };
    });
  }

  async #watch(signal: AbortSignal, onMessage: () => void): Promise<void> {
    const stop = new AbortController();
    const onAbort = () => stop.abort();
    signal.addEventListener('abort', onAbort, { once: true });
    const { clock, answerWithinMs = ANSWER_WITHIN_MS } = this.#options;
    const answered = new AbortController();
    const late = AbortSignal.any([stop.signal, answered.signal]);
    void clock.sleep(answerWithinMs, late).then(() => {
      if (!answered.signal.aborted) stop.abort();
    });
    try {
      const metadata = { authorization: `Bearer ${await this.#options.token()}` };
      const opening = () => [...this.#options.opening(), ...this.#witness.reports()];
      const reports = this.reports.stream(opening, stop.signal);
      this.#options.view.beginSync();
      for await (const message of this.#client.watch(reports, { signal: stop.signal, metadata })) {
        answered.abort();
        onMessage();
        this.#apply(message);
      }
    } finally {
      stop.abort();
      signal.removeEventListener('abort', onAbort);
    }
  }

  #apply(message: ToNode): void {
    const { view, log } = this.#options;
    try {
      view.apply(message);
    } catch (err) {
      // One pod's message that makes no sense must not keep the others from being heard. It changed
      // nothing and is not acknowledged.
      log.error({ err }, 'Ignored a message of the issuer that does not parse');
      return;
    }
    const { message: applied } = message;
    switch (applied.case) {
      case 'podIdentities':
      case 'podGone': {
        const { podUid, version } = applied.value;
        this.reports.add(`acknowledged/${podUid}`, {
          case: 'acknowledged',
          value: { podUid, version },
        });
        return;
      }
      case 'bundles': {
        const version = applied.value.own?.sequence ?? 0n;
        this.reports.add('acknowledged', { case: 'acknowledged', value: { podUid: '', version } });
        return;
      }
      case 'synced':
        log.info({}, 'Received the whole view of this node');
        return;
      case 'auditCheckpoint':
        this.#witness.see(applied.value);
        return;
      case undefined:
    }
  }

  async #call() {
    const metadata = { authorization: `Bearer ${await this.#options.token()}` };
    return { metadata, timeoutMs: CALL_TIMEOUT_MS, signal: this.#stop.signal };
  }
}

function refused(refusal: { reason: string; message: string } | undefined) {
  const { reason, message } = refusal ?? { reason: 'Internal', message: 'empty result' };
  return { issued: false as const, reason, message };
}

function toMs(seconds: bigint): number {
  return Number(seconds) * 1000;
}
