// Signs JWT-SVIDs for entries of one pod. The signature itself is made off the event loop: an RSA
// signature takes long, and renewals of X.509-SVIDs must not wait for it.

import { hash, randomUUID, sign } from 'node:crypto';
import { promisify } from 'node:util';
import type { AuditEvent, AuditLog } from '../../audit/audit-log.ts';
import type { Clock } from '../../base/clock.ts';
import { allow, CodedError, type Decision, invalid, refuse } from '../../base/errors.ts';
import { assembleJwtSvid, prepareJwtSvid } from '../../spiffe/jwt-svid/jwt-svid-signing.ts';
import { parseWorkloadSpiffeId } from '../../spiffe/spiffe-id.ts';
import type { SigningAuthorities } from '../authority/signing-authorities.ts';
import type { NodeCaller } from '../caller.ts';
import type { IssuableEntry, PodSource } from '../pod-source.ts';
import { checkAudience } from '../policy/audience.ts';
import { MintLimits } from '../policy/mint-limits.ts';
import { REASON } from '../policy/reasons.ts';
import { checkNames, RefusalLines } from '../policy/request-limits.ts';
import {
  decideAudience,
  decideEntry,
  type Entitlement,
  jwtExpiry,
} from '../policy/signing-policy.ts';
import { knownOf, ruleOf } from './audit-fields.ts';
import { SigningLane } from './signing-lane.ts';

export type JwtRequest = {
  readonly podUid: string;
  readonly items: readonly { readonly entryId: string; readonly expectedSpiffeId: string }[];
  readonly audience: readonly string[];
};

export type SignedJwtSvid = {
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly issuedAt: number;
  readonly expiresAt: number;
};

export type JwtSigningOptions = {
  readonly pods: PodSource;
  /** Throws `unavailable` while there are none. */
  readonly authorities: () => SigningAuthorities;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly limits: MintLimits;
  /** `iss` of every token. */
  readonly issuer?: string;
};

export const MAX_JWT_ITEMS = 32;
/** All pods of a node together: a fraction of what one core signs, so that no node starves others. */
const NODE_LIMIT = { perSecond: 200, burst: 2000 };

/** RFC 7519 §4.1: a policy sets none. Which other names it may set is decided where it is read. */
const OURS: ReadonlySet<string> = new Set(['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti']);

/** With its `jti`, where it has one. */
type MadeJwtSvid = SignedJwtSvid & { readonly tokenId?: string };

type Signing = Pick<SigningAuthorities, 'trustDomain' | 'jwt'> & {
  readonly signal: AbortSignal | undefined;
};

const signAsync = promisify(sign);

export class JwtSigning {
  readonly #options: JwtSigningOptions;
  readonly #lane = new SigningLane({ atOnce: 2, maxWaiting: 4096 });
  readonly #nodeLimits: MintLimits;
  readonly #refusalLines: RefusalLines;

  constructor(options: JwtSigningOptions) {
    this.#options = options;
    this.#nodeLimits = new MintLimits(options.clock, NODE_LIMIT);
    this.#refusalLines = new RefusalLines(options.clock);
  }

  /** One answer an item, in order. Throws `invalid-argument` for a malformed request. */
  async sign(
    caller: NodeCaller,
    request: JwtRequest,
    signal?: AbortSignal,
  ): Promise<readonly Decision<SignedJwtSvid>[]> {
    const { items, audience, podUid } = request;
    if (items.length > MAX_JWT_ITEMS) {
      throw invalid(`items: ${items.length} exceed ${MAX_JWT_ITEMS}`);
    }
    for (const item of items) checkNames({ podUid, ...item });
    checkAudience(audience);
    const { audit, authorities, limits } = this.#options;
    const { trustDomain, jwt } = authorities();
    let decided = items.map((item) => this.#decide(caller, request, item));
    const wanted = decided.filter(({ allowed }) => allowed).length;
    // Counted only for the caller's own pods: nobody else can use up a pod's allowance.
    const isGranted =
      wanted === 0 || (limits.take(podUid, wanted) && this.#nodeLimits.take(caller.node, wanted));
    if (!isGranted) {
      const throttled = refuse(REASON.THROTTLED, 'pod: too many JWT-SVIDs');
      decided = decided.map((decision) => (decision.allowed ? throttled : decision));
    }
    const signed = await Promise.all(
      decided.map(async (decision) =>
        decision.allowed
          ? await this.#signOne(decision.value.entry, audience, { trustDomain, jwt, signal })
          : decision,
      ),
    );
    // They may have waited for seconds: what has been withdrawn meanwhile does not get out.
    const results = signed.map((result, index) => {
      const item = items[index];
      if (!result.allowed || item === undefined) return result;
      const again = this.#decide(caller, request, item);
      return again.allowed ? result : again;
    });
    const common = { trustDomain, node: caller.node, caller: caller.credentialId, podUid };
    const pod = this.#options.pods.pod(podUid);
    const events = results.flatMap((result, index): AuditEvent[] => {
      const entryId = items[index]?.entryId ?? '';
      if (!result.allowed) {
        const { reason, message: detail } = result;
        if (!this.#refusalLines.take(caller.node, result)) return [];
        const known = { ...common, ...knownOf(pod, entryId), entryId, audience };
        return [{ event: 'JwtSvidRefused', decision: 'refused', ...known, reason, detail }];
      }
      const decision = decided[index];
      const rule = decision?.allowed ? ruleOf(decision.value.pod, decision.value.entry) : {};
      const issued = { ...common, ...rule, entryId, audience };
      const token = tokenOf(result.value, jwt.authorityId);
      return [{ event: 'JwtSvidIssued', decision: 'allowed', ...issued, ...token }];
    });
    // Throws when a line cannot be written; then no token gets out.
    audit.append(events);
    return results;
  }

  #decide(
    { node }: NodeCaller,
    { podUid, audience }: JwtRequest,
    item: JwtRequest['items'][number],
  ): Decision<Entitlement> {
    const { pods, clock } = this.#options;
    const entitled = decideEntry({
      ...item,
      node,
      pod: pods.pod(podUid),
      viewIsFresh: pods.isFresh(),
      now: clock.now(),
    });
    if (!entitled.allowed) return entitled;
    const audienceDecision = decideAudience(entitled.value.entry, audience);
    return audienceDecision.allowed ? entitled : audienceDecision;
  }

  async #signOne(
    entry: IssuableEntry,
    audience: readonly string[],
    { trustDomain, jwt, signal }: Signing,
  ): Promise<Decision<MadeJwtSvid>> {
    const { clock, issuer } = this.#options;
    const now = clock.now();
    if (jwt.notAfter <= now) throw new CodedError('unavailable', 'the JWT authority has expired');
    try {
      const id = entry.jwtIncludeJti ? { tokenId: randomUUID() } : {};
      const { signingInput, issuedAt, expiresAt } = prepareJwtSvid({
        algorithm: jwt.algorithm,
        keyId: jwt.authorityId,
        // Whatever the source says: nothing outside the trust domain, none of our own paths.
        spiffeId: parseWorkloadSpiffeId(entry.spiffeId, trustDomain),
        audience,
        issuedAt: now,
        expiresAt: jwtExpiry(entry, now, jwt.notAfter),
        claims: new Map(Object.entries(entry.jwtClaims).filter(([name]) => !OURS.has(name))),
        ...(issuer === undefined ? {} : { issuer }),
        ...id,
      });
      const data = Buffer.from(signingInput, 'latin1');
      const key = { key: jwt.privateKey, dsaEncoding: 'ieee-p1363' as const };
      const signature = await this.#lane.run(async () => {
        if (signal?.aborted) throw new CodedError('unavailable', 'the caller went away');
        return await signAsync(jwt.algorithm.digest, data, key);
      });
      return allow({ token: assembleJwtSvid(signingInput, signature), ...id, issuedAt, expiresAt });
    } catch (thrown) {
      const { code, message } = CodedError.from(thrown);
      if (code !== 'invalid-argument') throw thrown;
      return refuse(REASON.REQUEST_INVALID, message);
    }
  }
}

function tokenOf({ token, tokenId, expiresAt }: MadeJwtSvid, authorityId: string) {
  const notAfter = new Date(expiresAt).toISOString();
  const id = tokenId === undefined ? {} : { tokenId };
  return { tokenDigest: hash('sha256', token), ...id, authorityId, notAfter };
}
