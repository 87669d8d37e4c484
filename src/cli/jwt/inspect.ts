// What a token says, for people: every claim, and how long it is good. Who signed is not asked.

import type { JsonValue } from '../../spiffe/strict-json.ts';
import { seconds } from '../svid-inspect.ts';
import { formatTable } from '../table.ts';
import type { ReadToken } from './token.ts';

export type TokenInspection = {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly characters: number;
  readonly isExpired: boolean;
};

export function inspectToken(token: ReadToken, now: number): TokenInspection {
  const expiry = token.claims.get('exp');
  return {
    header: plain(token.header),
    claims: plain(token.claims),
    characters: token.length,
    isExpired: typeof expiry === 'number' && now >= expiry,
  };
}

export function inspectionText({ header, claims, characters, isExpired }: TokenInspection): string {
  const rows = [...Object.entries(header), ...Object.entries(claims)];
  const shown = rows.map(([name, value]) => [name, textOf(name, value)]);
  const about = `${characters} characters${isExpired ? ', expired' : ''}; the signature was not verified`;
  return `${formatTable(['NAME', 'VALUE'], shown)}\n\n${about}`;
}

const DATES: ReadonlySet<string> = new Set(['iat', 'exp', 'nbf']);
const MAX_SECONDS = 253_402_300_799;

function textOf(name: string, value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const isDate = DATES.has(name) && typeof value === 'number' && value >= 0 && value <= MAX_SECONDS;
  return isDate ? `${text}  ${seconds(value * 1000)}` : text;
}

function plain(members: ReadonlyMap<string, JsonValue>): Readonly<Record<string, unknown>> {
  // No prototype: a claim may be named as a method is.
  const object: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of members) object[name] = plainValue(value);
  return object;
}

function plainValue(value: JsonValue): unknown {
  if (value instanceof Map) return plain(value);
  return Array.isArray(value) ? value.map((each: JsonValue) => plainValue(each)) : value;
}
