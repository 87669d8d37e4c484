// Which SPIFFE IDs a rule is about, segment by segment: a literal trust domain, then literal segments,
// `*` for exactly one segment, and a last `**` for one or more. No regular expressions: what a pattern
// can match is what it looks like, and matching never takes longer than the ID is.

import { invalid } from '../base/errors.ts';
import {
  parseSpiffeId,
  pathOf,
  type SpiffeId,
  type TrustDomain,
  trustDomainOf,
} from '../spiffe/spiffe-id.ts';

export type SpiffeIdPattern = {
  /** As it was written. */
  readonly text: string;
  readonly trustDomain: TrustDomain;
  /** Literal, or `*`; without the last `**`. */
  readonly segments: readonly string[];
  /** Ends with `**`: one or more segments follow. */
  readonly isOpen: boolean;
};

const ONE = '*';
const REST = '**';

/** Throws `invalid-argument` naming `field` and the rule. */
export function parseSpiffeIdPattern(text: string, field: string): SpiffeIdPattern {
  const parts = text.split('/');
  const written = parts.slice(3);
  if (written.length === 0)
    throw invalid(`${field}: a pattern needs a path; use spiffe://TD/** for all`);
  const isOpen = written.at(-1) === REST;
  const segments = isOpen ? written.slice(0, -1) : written;
  for (const segment of segments) {
    if (segment === REST) throw invalid(`${field}: ** stands at the end only`);
    if (segment.includes(ONE) && segment !== ONE) {
      throw invalid(`${field}: * stands for a whole segment, not for a part of one`);
    }
  }
  // With something in the place of each wildcard it must be a SPIFFE ID.
  const example = [...parts.slice(0, 3), ...written.map((part) => (isWild(part) ? 'x' : part))];
  try {
    const trustDomain = trustDomainOf(parseSpiffeId(example.join('/')));
    return { text, trustDomain, segments, isOpen };
  } catch (thrown) {
    throw invalid(`${field}: ${thrown instanceof Error ? thrown.message : ''}`, thrown);
  }
}

export function matchesPattern(pattern: SpiffeIdPattern, id: SpiffeId): boolean {
  if (trustDomainOf(id) !== pattern.trustDomain) return false;
  const given = segmentsOf(id);
  const { segments, isOpen } = pattern;
  if (isOpen ? given.length <= segments.length : given.length !== segments.length) return false;
  return segments.every((segment, at) => segment === ONE || segment === given[at]);
}

/** Whether every ID that `inner` matches is matched by `outer`. */
export function coversPattern(outer: SpiffeIdPattern, inner: SpiffeIdPattern): boolean {
  if (outer.trustDomain !== inner.trustDomain) return false;
  const { length } = outer.segments;
  if (outer.isOpen) {
    if (inner.segments.length + (inner.isOpen ? 1 : 0) <= length) return false;
  } else if (inner.isOpen || inner.segments.length !== length) return false;
  return outer.segments.every((segment, at) => segment === ONE || segment === inner.segments[at]);
}

/** Whether it names exactly one SPIFFE ID. */
export function isExact({ segments, isOpen }: SpiffeIdPattern): boolean {
  return !isOpen && !segments.includes(ONE);
}

function isWild(part: string): boolean {
  return part === ONE || part === REST;
}

function segmentsOf(id: SpiffeId): readonly string[] {
  const path = pathOf(id);
  return path === '' ? [] : path.slice(1).split('/');
}
