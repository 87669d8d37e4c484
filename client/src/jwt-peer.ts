// Who showed a JWT-SVID: validated here, against the bundle of the token's own trust domain, then
// judged by the authorizer. Nobody is asked over the network.

import type { KeyObject } from 'node:crypto';
import type { Clock } from '../../src/base/clock.ts';
import { CodedError, invalid } from '../../src/base/errors.ts';
import { type JwtSvid, validateJwtSvid } from '../../src/spiffe/jwt-svid/jwt-svid.ts';
import type { TrustDomain } from '../../src/spiffe/spiffe-id.ts';
import type { Authorizer } from './authorizer.ts';

/** What validation needs of a source; `BundleSource` is one. */
export interface JwtAuthoritySource {
  readonly clock: Clock;
  /** Throws while nothing is known; undefined for a trust domain that is not trusted. */
  jwtAuthoritiesOf(trustDomain: TrustDomain): ReadonlyMap<string, KeyObject> | undefined;
}

export type JwtCheck = {
  readonly source: JwtAuthoritySource;
  readonly authorize: Authorizer;
  /** The validator's own; a token for anybody else is refused. */
  readonly audience: string;
  /** How far the signer's clock may be off, milliseconds; default: one minute. */
  readonly leewayMs?: number;
};

/**
 * Throws `unauthenticated` naming the part of the token and the rule, `permission-denied` when the
 * authorizer refuses, `unavailable` while the source knows no authorities.
 */
export function verifyJwtSvid(token: string, check: JwtCheck): JwtSvid {
  const svid = authenticate(token, check);
  const decision = check.authorize.authorize(svid.spiffeId);
  if (decision.allowed) return svid;
  throw new CodedError('permission-denied', `JWT-SVID refused: ${decision.message}`, {
    reason: decision.reason,
  });
}

function authenticate(token: string, check: JwtCheck): JwtSvid {
  const { source, audience, authorize, leewayMs } = check;
  if (audience === '') throw invalid('audience: must not be empty');
  let unknown: CodedError | undefined;
  try {
    return validateJwtSvid(token, {
      audience,
      now: source.clock.now(),
      authoritiesOf: (trustDomain) => {
        if (!authorize.trustDomains.has(trustDomain)) return undefined;
        try {
          return source.jwtAuthoritiesOf(trustDomain);
        } catch (thrown) {
          unknown = CodedError.from(thrown);
          throw thrown;
        }
      },
      ...(leewayMs === undefined ? {} : { leewayMs }),
    });
  } catch (thrown) {
    // No fault of the token's.
    if (unknown !== undefined) {
      const why = `JWT authorities: ${unknown.message}`;
      throw new CodedError('unavailable', why, { cause: unknown });
    }
    const { message } = CodedError.from(thrown);
    throw new CodedError('unauthenticated', `JWT-SVID refused: ${message}`, { cause: thrown });
  }
}
