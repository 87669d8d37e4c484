// SPIFFE IDs and trust domains as branded strings: only the parsers below make them, so whoever
// holds one holds a valid one, and it stays a map key, JSON and a log field.
// The text is judged code unit by code unit and never changed: no URL parser, no normalisation.

import { type CodedError, invalid } from '../base/errors.ts';

declare const spiffeIdBrand: unique symbol;
declare const trustDomainBrand: unique symbol;

/** `spiffe://<trust domain>` or `spiffe://<trust domain>/<segments>`. */
export type SpiffeId = string & { readonly [spiffeIdBrand]: true };

/** The bare name, such as `example.org`. */
export type TrustDomain = string & { readonly [trustDomainBrand]: true };

/** SPIFFE-ID §2.3. Valid IDs are ASCII, so bytes and code units are the same number. */
export const MAX_SPIFFE_ID_BYTES = 2048;
export const MAX_TRUST_DOMAIN_BYTES = 255;

const SCHEME = 'spiffe://';
const SLASH = 0x2f;
const DOT = 0x2e;

const IN_TRUST_DOMAIN = 1;
const IN_SEGMENT = 2;
/** What each ASCII character may be part of; anything else is part of nothing. */
const CHARACTER_CLASS = characterClasses();

/** Any valid SPIFFE ID, with or without a path. Throws `invalid-argument` naming the rule. */
export function parseSpiffeId(text: string): SpiffeId {
  // Upper case in the scheme is refused like upper case in the name: one ID, one spelling
  // (SPIFFE-ID §2.4 lets peers compare without case, ours and others' parsers do not).
  if (!text.startsWith(SCHEME)) throw invalid('SPIFFE ID: scheme must be spiffe://');
  if (text.length > MAX_SPIFFE_ID_BYTES) {
    throw invalid(`SPIFFE ID: ${text.length} characters exceed ${MAX_SPIFFE_ID_BYTES}`);
  }
  checkPath(text, checkTrustDomain(text, SCHEME.length));
  return text as SpiffeId;
}

/** A bare trust domain name. Throws `invalid-argument` naming the rule. */
export function parseTrustDomain(text: string): TrustDomain {
  const end = checkTrustDomain(text, 0);
  if (end < text.length) throw badCharacter('trust domain', text, end);
  return text as TrustDomain;
}

/** A bare name, or the trust domain of a SPIFFE ID; `:/` tells them apart, as in go-spiffe. */
export function parseTrustDomainOrId(text: string): TrustDomain {
  return text.includes(':/') ? trustDomainOf(parseSpiffeId(text)) : parseTrustDomain(text);
}

/**
 * An ID that a workload may be given: in `trustDomain`, with a path (X509-SVID §3.1) that is not
 * reserved. Throws `invalid-argument` naming the rule.
 */
export function parseWorkloadSpiffeId(text: string, trustDomain: TrustDomain): SpiffeId {
  const id = parseSpiffeId(text);
  const pathAt = SCHEME.length + trustDomain.length;
  const boundary = id.length === pathAt || id.charCodeAt(pathAt) === SLASH;
  if (!boundary || !id.startsWith(trustDomain, SCHEME.length)) {
    throw invalid(`SPIFFE ID: trust domain "${trustDomainOf(id)}" is not "${trustDomain}"`);
  }
  if (id.length === pathAt) throw invalid('SPIFFE ID: a workload must have a path');
  if (isReservedPath(id.slice(pathAt))) {
    throw invalid(`SPIFFE ID: path "${id.slice(pathAt)}" is reserved`);
  }
  return id;
}

export function trustDomainOf(id: SpiffeId): TrustDomain {
  const slash = id.indexOf('/', SCHEME.length);
  return id.slice(SCHEME.length, slash === -1 ? undefined : slash) as TrustDomain;
}

/** The path with its leading slash, or '' when there is none. */
export function pathOf(id: SpiffeId): string {
  const slash = id.indexOf('/', SCHEME.length);
  return slash === -1 ? '' : id.slice(slash);
}

export function trustDomainId(trustDomain: TrustDomain): SpiffeId {
  return `${SCHEME}${trustDomain}` as SpiffeId;
}

/** Whether a path is, or lies below, one kept for SPIRE's or Signet's own processes. */
export function isReservedPath(path: string): boolean {
  return isOrBelow(path, '/spire') || isOrBelow(path, '/signet');
}

function isOrBelow(path: string, root: string): boolean {
  return path.startsWith(root) && (path.length === root.length || path.at(root.length) === '/');
}

/** Checks the name that starts at `from` and gives the offset of the slash, or end, after it. */
function checkTrustDomain(text: string, from: number): number {
  let at = from;
  // SPIFFE-ID §2.1: the character set alone rules out ports, user info and percent-encoding.
  while (at < text.length && isOf(text.charCodeAt(at), IN_TRUST_DOMAIN)) at += 1;
  if (at < text.length && text.charCodeAt(at) !== SLASH) {
    throw badCharacter('trust domain', text, at);
  }
  if (at === from) throw invalid('trust domain: must not be empty');
  if (at - from > MAX_TRUST_DOMAIN_BYTES) {
    throw invalid(`trust domain: ${at - from} characters exceed ${MAX_TRUST_DOMAIN_BYTES}`);
  }
  return at;
}

/** SPIFFE-ID §2.2: checks the path that starts with the slash at `from`; none is fine. */
function checkPath(text: string, from: number): void {
  let slash = from;
  while (slash < text.length) {
    let end = slash + 1;
    while (end < text.length && isOf(text.charCodeAt(end), IN_SEGMENT)) end += 1;
    if (end < text.length && text.charCodeAt(end) !== SLASH) throw badCharacter('path', text, end);
    const length = end - slash - 1;
    if (length === 0) {
      throw invalid(
        end === text.length
          ? 'path: must not end with a slash'
          : 'path: must not have empty segments',
      );
    }
    if (length <= 2 && text.charCodeAt(slash + 1) === DOT && text.charCodeAt(end - 1) === DOT) {
      throw invalid('path: must not have dot segments');
    }
    slash = end;
  }
}

function isOf(code: number, wanted: number): boolean {
  return code < 128 && ((CHARACTER_CLASS[code] ?? 0) & wanted) !== 0;
}

function badCharacter(part: string, text: string, at: number): CodedError {
  const code = text.charCodeAt(at);
  const shown =
    code > 0x20 && code < 0x7f
      ? `"${text.charAt(at)}"`
      : `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
  const allowed = part === 'path' ? 'a-z A-Z 0-9 . - _' : 'a-z 0-9 . - _';
  return invalid(`${part}: character ${shown} at offset ${at} is not one of ${allowed}`);
}

function characterClasses(): Uint8Array {
  const classes = new Uint8Array(128);
  for (const character of 'abcdefghijklmnopqrstuvwxyz0123456789.-_') {
    classes[character.charCodeAt(0)] = IN_TRUST_DOMAIN | IN_SEGMENT;
  }
  for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') {
    classes[character.charCodeAt(0)] = IN_SEGMENT;
  }
  return classes;
}
