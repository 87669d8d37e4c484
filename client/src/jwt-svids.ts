// Answers about JWT-SVIDs as parsed values. A token we were handed is read for when it expires, not
// verified: whoever receives it does that.

import type { KeyObject } from 'node:crypto';
import { CodedError, invalid } from '../../src/base/errors.ts';
import { parseSpiffeBundle } from '../../src/spiffe/bundle/bundle-parse.ts';
import { parseJwsObject, splitCompactJws } from '../../src/spiffe/jwt-svid/compact-jws.ts';
import { parseSpiffeId, type SpiffeId, type TrustDomain } from '../../src/spiffe/spiffe-id.ts';
import type { JWTSVID, JWTSVIDResponse } from '../../src/transport/gen/spiffe/workload_pb.ts';
import { parseByTrustDomain } from './x509-bundles.ts';
import type { Report } from './x509-context.ts';

/** Public keys by key id, by trust domain; for JWT-SVIDs only (WA-27). */
export type JwtBundles = ReadonlyMap<TrustDomain, ReadonlyMap<string, KeyObject>>;

const MAX_SVIDS = 100;

type JwtSvidFields = {
  readonly spiffeId: SpiffeId;
  readonly hint: string;
  readonly token: string;
  readonly expiresAt: number;
};

/** A token to show to others. It is a secret: it does not get into JSON or logs by itself. */
export class FetchedJwtSvid {
  readonly spiffeId: SpiffeId;
  readonly hint: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  readonly #token: string;

  constructor(fields: JwtSvidFields) {
    this.spiffeId = fields.spiffeId;
    this.hint = fields.hint;
    this.expiresAt = fields.expiresAt;
    this.#token = fields.token;
  }

  get token(): string {
    return this.#token;
  }
}

/** At least one; the first is the default identity's. Throws `invalid-argument` (WA-11). */
export function parseJwtSvids(
  answer: JWTSVIDResponse,
): readonly [FetchedJwtSvid, ...FetchedJwtSvid[]] {
  if (answer.svids.length > MAX_SVIDS) throw invalid(`svids: more than ${MAX_SVIDS}`);
  const [first, ...more] = answer.svids.map((svid, index) => {
    try {
      return parseJwtSvid(svid);
    } catch (thrown) {
      throw invalid(`svids[${index}]: ${CodedError.from(thrown).message}`, thrown);
    }
  });
  if (first === undefined) throw invalid('svids: none');
  return [first, ...more];
}

/** A bundle that cannot be read is left out and reported. */
export function parseJwtBundles(
  byId: { readonly [trustDomainId: string]: Uint8Array },
  report: Report,
): JwtBundles {
  return parseByTrustDomain(byId, {
    parse: (document, trustDomain) =>
      parseSpiffeBundle(document, trustDomain).bundle.jwtAuthorities,
    report,
  });
}

function parseJwtSvid({ spiffeId: id, hint, svid: token }: JWTSVID): FetchedJwtSvid {
  const claims = parseJwsObject(splitCompactJws(token).claims, 'token claims');
  const subject = claims.get('sub');
  if (typeof subject !== 'string') throw invalid('sub: missing or not a string');
  const spiffeId = parseSpiffeId(subject);
  if (id !== spiffeId) throw invalid('spiffe_id: not the subject of the token');
  const expiry = claims.get('exp');
  if (typeof expiry !== 'number' || !(expiry > 0 && expiry < MAX_DATE)) {
    throw invalid('exp: missing or not a date');
  }
  return new FetchedJwtSvid({ spiffeId, hint, token, expiresAt: expiry * 1000 });
}

/** The end of the last four-digit year, in seconds. */
const MAX_DATE = 253_402_300_800;
