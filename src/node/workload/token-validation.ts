// ValidateJWTSVID (Workload API §6.2.3): by the rules of JWT-SVID, with the keys of the subject's
// own trust domain, for the caller's audience. Claims of another trust domain mean nothing here, so
// only those of the standard are passed on.

import type { KeyObject } from 'node:crypto';
import type { JsonObject as PlainObject, JsonValue as PlainValue } from '@bufbuild/protobuf';
import { CodedError } from '../../base/errors.ts';
import { parseSpiffeBundle } from '../../spiffe/bundle/bundle-parse.ts';
import { type JwtSvid, validateJwtSvid } from '../../spiffe/jwt-svid/jwt-svid.ts';
import { trustDomainOf } from '../../spiffe/spiffe-id.ts';
import type { JsonValue } from '../../spiffe/strict-json.ts';
import type { WorkloadBundle } from '../svid/pod-answer.ts';
import type { ServedAnswer } from './workload-messages.ts';

/** The claims every JWT-SVID has (JWT-SVID §3). */
const STANDARD_CLAIMS: ReadonlySet<string> = new Set(['sub', 'aud', 'exp']);

type Keys = ReadonlyMap<string, KeyObject>;
/** A bundle object never changes, so its keys are read once. */
const KEYS_OF = new WeakMap<WorkloadBundle, Keys>();

/** Throws `invalid-argument` naming what is wrong with the token. */
export function validateToken(
  request: { readonly audience: string; readonly svid: string },
  served: ServedAnswer,
  now: number,
): { spiffeId: string; claims: PlainObject } {
  const svid = validateJwtSvid(request.svid, {
    audience: request.audience,
    authoritiesOf: (trustDomain) => {
      const bundle = [served.own, ...served.federated].find(
        (candidate) => candidate.trustDomain === trustDomain,
      );
      return bundle === undefined ? undefined : keysOf(bundle);
    },
    now,
  });
  const own = trustDomainOf(svid.spiffeId) === served.own.trustDomain;
  return { spiffeId: svid.spiffeId, claims: claimsOf(svid, own) };
}

function keysOf(bundle: WorkloadBundle): Keys | undefined {
  if (bundle.jwks.length === 0) return undefined;
  const known = KEYS_OF.get(bundle);
  if (known !== undefined) return known;
  try {
    const keys = parseSpiffeBundle(bundle.jwks, bundle.trustDomain).bundle.jwtAuthorities;
    KEYS_OF.set(bundle, keys);
    return keys;
  } catch (thrown) {
    // Not the caller's fault, whose token may be good.
    throw new CodedError('internal', `JWT bundle of ${bundle.trustDomain}`, { cause: thrown });
  }
}

// `aud` is a list however the token has it (PF-08).
function claimsOf({ claims, audience }: JwtSvid, own: boolean): PlainObject {
  const shown = [...claims].filter(([name]) => own || STANDARD_CLAIMS.has(name));
  return {
    ...Object.fromEntries(shown.map(([name, value]) => [name, plain(value)])),
    aud: [...audience],
  };
}

function plain(value: JsonValue): PlainValue {
  if (value instanceof Map) {
    return Object.fromEntries([...value].map(([name, item]) => [name, plain(item)]));
  }
  if (Array.isArray(value)) return value.map(plain);
  return value as PlainValue;
}
