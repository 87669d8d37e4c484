// An IdentityRestriction: deny-only, additive, cluster-scoped. It lives in a group of our own, so
// that no other tool's version of a shared CRD can make it disappear.

import { invalid } from '../base/errors.ts';
import { parseSpiffeId, type SpiffeId } from '../spiffe/spiffe-id.ts';
import type { JsonValue } from '../template/json-value.ts';
import { readSeconds } from './cluster-spiffe-id-policy.ts';
import { type FieldReader, parseObject, parseTime } from './field-reader.ts';
import type { ParseResult, PolicyMeta } from './parse-result.ts';

export type RestrictionMatch = {
  /** Everything; without it at least one of the others is set. */
  readonly all: boolean;
  readonly spiffeId: SpiffeId | undefined;
  /** A SPIFFE ID; it and every ID below it, by whole segments. */
  readonly spiffeIdPrefix: SpiffeId | undefined;
  readonly namespace: string | undefined;
  readonly serviceAccount: string | undefined;
  readonly owner: RestrictedOwner | undefined;
  readonly podUid: string | undefined;
  readonly node: string | undefined;
  /** Of the claim agent_trust_level; '' for an identity without it. */
  readonly trustLevels: readonly string[] | undefined;
  /** The claim is none of these; an identity without it is meant too. */
  readonly exceptTrustLevels: readonly string[] | undefined;
};

export type RestrictedOwner = {
  readonly kind: string;
  readonly name: string;
  readonly uid: string | undefined;
};

export type IdentityRestriction = PolicyMeta & {
  /** All that is set must hold. */
  readonly match: RestrictionMatch;
  readonly suspend: boolean;
  /** Milliseconds since the epoch; undefined: until it is deleted. */
  readonly until: number | undefined;
  readonly cause: string;
  /** Seconds; 0: no limit. */
  readonly maxX509TtlSeconds: number;
  readonly maxJwtTtlSeconds: number;
  /** Undefined: any. */
  readonly allowedAudiences: readonly string[] | undefined;
  readonly jwtDenied: boolean;
  readonly sdsDenied: boolean;
};

/** Reads an IdentityRestriction; the errors name each field and rule. */
export function parseIdentityRestriction(
  object: JsonValue | undefined,
): ParseResult<IdentityRestriction> {
  return parseObject(object, (meta, spec) => ({
    ...meta,
    match: readMatch(spec),
    suspend: spec.boolean('suspend'),
    until: spec.has('until')
      ? spec.parsed('until', 0, (field) => requireTime(spec.text('until'), field))
      : undefined,
    cause: spec.text('cause'),
    maxX509TtlSeconds: readLimit(spec, 'maxX509SVIDTTL'),
    maxJwtTtlSeconds: readLimit(spec, 'maxJWTSVIDTTL'),
    allowedAudiences: spec.has('allowedAudiences') ? spec.texts('allowedAudiences') : undefined,
    jwtDenied: readDeny(spec, 'jwt'),
    sdsDenied: readDeny(spec, 'sds'),
  }));
}

const PARTS = [
  'spiffeID',
  'spiffeIDPrefix',
  'namespace',
  'serviceAccount',
  'owner',
  'podUID',
  'node',
  'trustLevels',
  'exceptTrustLevels',
] as const;

function readMatch(spec: FieldReader): RestrictionMatch {
  const match = spec.object('match');
  const id = (key: string) =>
    match.has(key)
      ? match.parsed<SpiffeId | undefined>(key, undefined, () => parseSpiffeId(match.text(key)))
      : undefined;
  const text = (key: string) => (match.has(key) ? match.required(key) : undefined);
  const read: RestrictionMatch = {
    all: match.boolean('all'),
    spiffeId: id('spiffeID'),
    spiffeIdPrefix: id('spiffeIDPrefix'),
    namespace: text('namespace'),
    serviceAccount: text('serviceAccount'),
    owner: match.has('owner') ? readOwner(match.object('owner')) : undefined,
    podUid: text('podUID'),
    node: text('node'),
    trustLevels: readLevels(match, 'trustLevels'),
    exceptTrustLevels: readLevels(match, 'exceptTrustLevels'),
  };
  const { all } = read;
  const isEmpty = !PARTS.some((part) => match.has(part));
  if (isEmpty && !all) spec.fail('match', 'must not be empty; all: true restricts every identity');
  if (!isEmpty && all) spec.fail('match.all', 'must stand alone');
  return read;
}

function readLevels(match: FieldReader, field: string): readonly string[] | undefined {
  if (!match.has(field)) return undefined;
  const levels = match.texts(field);
  if (levels.length === 0) match.fail(field, 'must not be empty');
  return levels;
}

function readOwner(owner: FieldReader): RestrictedOwner {
  const uid = owner.text('uid');
  return {
    kind: owner.required('kind'),
    name: owner.required('name'),
    uid: uid === '' ? undefined : uid,
  };
}

function readLimit(spec: FieldReader, field: string): number {
  const seconds = readSeconds(spec, field);
  if (spec.has(field) && seconds <= 0) spec.fail(field, 'must be at least 1s');
  return seconds;
}

function readDeny(spec: FieldReader, field: string): boolean {
  const value = spec.text(field);
  if (value !== '' && value !== 'Deny') spec.fail(field, 'must be Deny, or not set');
  return value === 'Deny';
}

function requireTime(text: string, field: string): number {
  if (text === '') throw invalid(`${field}: must be a time`);
  return parseTime(text, field);
}
