// Rules that consumers have of a token, each as a function that makes a check of it. Nothing here asks
// who signed.

import { CodedError } from '../../base/errors.ts';
import { parseSpiffeId, trustDomainOf } from '../../spiffe/spiffe-id.ts';
import {
  type Check,
  ok,
  refused,
  type TokenTrial,
  unknown,
  type Verdict,
  warning,
} from './check.ts';
import { audiencesOf, textIn } from './token.ts';

type TokenCheck = Check<TokenTrial>;

function check(name: string, source: string, run: (trial: TokenTrial) => Verdict): TokenCheck {
  return { name, source, run };
}

export function algorithm(source: string, allowed: readonly string[]): TokenCheck {
  return check('algorithm', source, ({ token }) => {
    const name = textIn(token.header, 'alg');
    if (allowed.includes(name)) return ok(name);
    return refused(`alg is ${name || 'missing'}; accepted are ${allowed.join(', ')}`);
  });
}

export function keyId(source: string): TokenCheck {
  return check('key-id', source, ({ token }) =>
    textIn(token.header, 'kid') === '' ? refused('the header has no kid') : ok(),
  );
}

/** Texts and dates that must be there. */
export function claims(source: string, names: readonly string[]): TokenCheck {
  return check('claims', source, ({ token }) => {
    const missing = names.filter((name) => !isGood(name, token.claims.get(name)));
    return missing.length === 0 ? ok(names.join(', ')) : refused(`lacks ${missing.join(', ')}`);
  });
}

function isGood(name: string, value: unknown): boolean {
  if (name === 'iat' || name === 'exp') return typeof value === 'number';
  if (name === 'aud') return typeof value === 'string' || Array.isArray(value);
  return typeof value === 'string' && value !== '';
}

/** A number with a fraction is a date to RFC 7519 and to nobody who asks for this. */
export function integerDates(source: string): TokenCheck {
  return check('integer-dates', source, ({ token }) => {
    const wrong = ['iat', 'exp', 'nbf'].filter((name) => {
      const value = token.claims.get(name);
      return value !== undefined && !Number.isSafeInteger(value);
    });
    return wrong.length === 0 ? ok() : refused(`${wrong.join(', ')}: not an integer`);
  });
}

/**
 * Expired; or issued later than now, where the consumer says by how much clocks may differ.
 */
export function dates(source: string, skewSeconds?: number): TokenCheck {
  return check('dates', source, ({ token, now }) => {
    const [iat, exp] = [token.claims.get('iat'), token.claims.get('exp')];
    if (typeof exp === 'number' && now >= exp + (skewSeconds ?? 0)) {
      return refused(`expired ${Math.round(now - exp)} s ago`);
    }
    if (skewSeconds !== undefined && typeof iat === 'number' && iat > now + skewSeconds) {
      return refused(`issued ${Math.round(iat - now)} s from now`);
    }
    return typeof exp === 'number' ? ok(`${Math.round(exp - now)} s left`) : refused('no exp');
  });
}

export type LifetimeRule = {
  /** Unless the operator set another. Seconds. */
  readonly most: number;
  readonly advised?: number;
  /** What `most` may be set to. */
  readonly settable?: number;
};

export function lifetime(source: string, { most, advised, settable }: LifetimeRule): TokenCheck {
  return check('lifetime', source, ({ token, expected }) => {
    const [iat, exp] = [token.claims.get('iat'), token.claims.get('exp')];
    if (typeof iat !== 'number' || typeof exp !== 'number') return refused('iat or exp is missing');
    const set = settable === undefined ? undefined : expected.maxLifetimeSeconds;
    if (set !== undefined && settable !== undefined && (set < 1 || set > settable)) {
      return refused(`a longest life of ${set} s cannot be set: 1 to ${settable}`);
    }
    const seconds = exp - iat;
    const limit = set ?? most;
    if (seconds > limit) return refused(`lives ${seconds} s, at most ${limit}; set jwtTtl`);
    if (advised !== undefined && seconds > advised) {
      return warning(`lives ${seconds} s; advised is less than ${advised}`);
    }
    return ok(`${seconds} s`);
  });
}

export function length(source: string, most: number): TokenCheck {
  return check('length', source, ({ token }) =>
    token.length > most
      ? refused(`${token.length} characters, at most ${most}`)
      : ok(`${token.length} characters`),
  );
}

export type AudienceRule = {
  /** What is meant when the operator says nothing; a token without it is suspicious. */
  readonly usual?: string;
  /** Whether more than one is refused, or only unwise. */
  readonly isSole?: boolean;
  /** What the audience is, for the message. */
  readonly what?: string;
};

export function audience(source: string, rule: AudienceRule): TokenCheck {
  const { usual, isSole = false, what = 'the audience' } = rule;
  return check('audience', source, ({ token, expected }) => {
    const found = audiencesOf(token);
    if (found.length === 0) return refused('aud is missing');
    if (isSole && found.length > 1)
      return refused(`${found.length} audiences, exactly one is taken`);
    const wanted = expected.audience;
    if (wanted !== undefined && !found.includes(wanted)) {
      return refused(`aud is ${found.join(', ')}, not ${wanted}`);
    }
    if (wanted === undefined && usual !== undefined && !found.includes(usual)) {
      return warning(
        `aud is ${found.join(', ')}; ${usual} is usual; say what is set by --audience`,
      );
    }
    if (wanted === undefined && usual === undefined) {
      return unknown(`aud is ${found.join(', ')}; say ${what} by --audience`);
    }
    if (found.length > 1)
      return warning('several audiences: the first to get it can use it at others');
    return ok(found.join(', '));
  });
}

/** Exact, or the start of it and `*`. */
export function subject(source: string, isExact = false): TokenCheck {
  return check('subject', source, ({ token, expected: { subject: pattern } }) => {
    const found = textIn(token.claims, 'sub');
    if (pattern === undefined) return unknown(`sub is ${found}; say what it must be by --subject`);
    const isOpen = pattern.endsWith('*');
    if (isOpen && isExact) return refused(`${pattern}: wildcards are not known there`);
    const fits = isOpen ? found.startsWith(pattern.slice(0, -1)) : found === pattern;
    return fits ? ok(found) : refused(`sub is ${found}, which ${pattern} does not match`);
  });
}

/** By the path behind the trust domain: `*` at the end for any rest, `+` for one segment. */
export function workloadPattern(source: string): TokenCheck {
  return check('subject', source, ({ token, expected: { subject: pattern } }) => {
    const [, path = ''] = /^spiffe:\/\/[^/]*\/?(.*)$/.exec(textIn(token.claims, 'sub')) ?? [];
    if (pattern === undefined) return unknown(`the path is ${path}; say the pattern by --subject`);
    return matchesPattern(path, pattern.replace(/^\//, ''))
      ? ok(path)
      : refused(`the path is ${path}, which ${pattern} does not match`);
  });
}

function matchesPattern(path: string, pattern: string): boolean {
  const isOpen = pattern.endsWith('*');
  const wanted = (isOpen ? pattern.slice(0, -1) : pattern).split('/');
  const found = path.split('/');
  if (isOpen ? found.length < wanted.length : found.length !== wanted.length) return false;
  return wanted.every((segment, index) => {
    const text = found[index] ?? '';
    if (segment === '+') return text !== '';
    return isOpen && index === wanted.length - 1 ? text.startsWith(segment) : text === segment;
  });
}

/** That it is a SPIFFE ID, and of the trust domain that is meant. */
export function trustDomain(source: string): TokenCheck {
  return check('trust-domain', source, ({ token, expected: { trustDomain: wanted } }) => {
    const text = textIn(token.claims, 'sub');
    try {
      const found = trustDomainOf(parseSpiffeId(text));
      if (wanted === undefined) return unknown(`${found}; say what is set by --trust-domain`);
      return found === wanted ? ok(found) : refused(`sub is in ${found}, not ${wanted}`);
    } catch (thrown) {
      return refused(`sub: ${CodedError.from(thrown).message}`);
    }
  });
}

/** Longer ones are refused, or, with `isAdvice`, cannot be mapped to what they usually are. */
export function textLength(
  source: string,
  name: 'iss' | 'sub' | 'aud',
  { most, isAdvice = false }: { readonly most: number; readonly isAdvice?: boolean },
): TokenCheck {
  return check(`${name}-length`, source, ({ token }) => {
    const texts = name === 'aud' ? audiencesOf(token) : [textIn(token.claims, name)];
    const longest = Math.max(...texts.map((text) => Buffer.byteLength(text)), 0);
    if (longest <= most) return ok(`${longest} bytes`);
    const message = `${name} has ${longest} bytes, at most ${most}`;
    return isAdvice ? warning(message) : refused(message);
  });
}

/** Where each `jti` is taken once: a file that is read twice fails the second time. */
export function singleUse(source: string): TokenCheck {
  return check('single-use', source, ({ token }) => {
    if (!token.claims.has('jti')) return ok('no jti');
    const where = token.isFromFile
      ? 'from a file, which others may have used already'
      : 'once only';
    return warning(`has a jti and is taken once: ${where}; leave out jwtIncludeJTI`);
  });
}

/** Rules compare texts at the top; what is nested needs a language. */
export function flatClaims(source: string): TokenCheck {
  const own = new Set(['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti']);
  return check('flat-claims', source, ({ token }) => {
    const nested = [...token.claims].filter(
      ([name, value]) => !own.has(name) && typeof value !== 'string',
    );
    if (nested.length === 0) return ok();
    return warning(`${nested.map(([name]) => name).join(', ')}: rules compare texts only`);
  });
}
