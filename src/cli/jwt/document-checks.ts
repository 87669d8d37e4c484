// Rules that consumers have of an issuer and of its documents: that the token's key is found there, fits
// and signed it.

import { CodedError } from '../../base/errors.ts';
import { importJwk } from '../../spiffe/jwt-svid/jwk.ts';
import { isJwtSignature, jwtAlgorithm } from '../../spiffe/jwt-svid/jwt-algorithm.ts';
import type { JsonObject } from '../../spiffe/strict-json.ts';
import {
  type Check,
  ok,
  refused,
  type TokenTrial,
  unknown,
  type Verdict,
  warning,
} from './check.ts';
import type { Documents } from './documents.ts';
import { textIn } from './token.ts';

type DocumentCheck = Check<TokenTrial>;

const NOT_LOOKED_AT = unknown('no documents were looked at');
/** Names that nobody outside can look up (RFC 6761, RFC 8375, and those of clusters). */
const PRIVATE =
  /(?:^|\.)(?:localhost|local|internal|test|invalid|example|svc|home\.arpa|cluster\.local)$/;

export type IssuerRule = { readonly port?: boolean; readonly isPublic?: boolean };

/** https, no query; where it is fetched perhaps without a port, and by a name that is known everywhere. */
export function issuerUrl(
  source: string,
  { port = true, isPublic = false }: IssuerRule,
): DocumentCheck {
  return {
    name: 'issuer-url',
    source,
    run: ({ token, expected }) => {
      const text = textIn(token.claims, 'iss');
      if (expected.keys === 'uploaded') return ok('compared only: the keys are given');
      const url = URL.parse(text);
      if (url?.protocol !== 'https:') return refused(`iss "${text}" is not an https URL`);
      if (url.search !== '' || url.hash !== '') return refused('iss has a query or a fragment');
      if (!port && url.port !== '') return refused(`iss has port ${url.port}; none is accepted`);
      if (!isPublic) return ok(text);
      const host = url.hostname;
      if (/^[0-9.]+$|^\[/.test(host)) return refused(`iss has the address ${host} for a host`);
      if (PRIVATE.test(host) || !host.includes('.')) {
        return refused(`iss has host ${host}, which is not a public name`);
      }
      return ok(text);
    },
  };
}

/** What the consumer fetches has to be under authorities that everybody trusts. */
export function publicTls(source: string): DocumentCheck {
  return {
    name: 'public-tls',
    source,
    run: ({ expected, documents, hasOwnAuthorities }) => {
      if (expected.keys === 'uploaded') return ok('not fetched: the keys are given');
      if (documents === undefined) return NOT_LOOKED_AT;
      return hasOwnAuthorities
        ? refused('the documents are under authorities of your own (--ca-file)')
        : ok();
    },
  };
}

function withDocuments(
  name: string,
  source: string,
  run: (documents: Documents, trial: TokenTrial) => Verdict,
): DocumentCheck {
  return {
    name,
    source,
    run: (trial) => {
      const { documents } = trial;
      if (documents === undefined) return NOT_LOOKED_AT;
      return typeof documents === 'string' ? refused(documents) : run(documents, trial);
    },
  };
}

/** The issuer that it says it is, byte by byte, and the token's algorithm. */
export function discovery(source: string): DocumentCheck {
  return withDocuments('discovery', source, ({ discovery: found }, { token, expected }) => {
    if (expected.keys === 'uploaded') return ok('not fetched: the keys are given');
    if (found === undefined) return unknown('only keys were given');
    const [said, iss] = [textIn(found, 'issuer'), textIn(token.claims, 'iss')];
    if (said !== iss) return refused(`the document is of issuer "${said}", the token of "${iss}"`);
    const algorithms = found.get('id_token_signing_alg_values_supported');
    const used = textIn(token.header, 'alg');
    if (Array.isArray(algorithms) && !algorithms.includes(used)) {
      return refused(`the document does not have ${used} among its algorithms`);
    }
    return ok(said);
  });
}

/** `uses`: those that a key may say it has, in the order in which they are looked for; '': none said. */
export function signature(source: string, uses: readonly string[]): DocumentCheck {
  return withDocuments('signature', source, ({ keys }, { token }) => {
    const kid = textIn(token.header, 'kid');
    const named = keys.filter((key) => textIn(key, 'kid') === kid);
    if (named.length === 0) return refused(`no key "${kid}" among ${keys.length}`);
    const key = uses
      .map((use) => named.find((each) => textIn(each, 'use') === use))
      .find((each) => each !== undefined);
    if (key === undefined) {
      const used = named.map((each) => textIn(each, 'use') || 'nothing').join(', ');
      return refused(`key "${kid}" is for ${used}, not for ${uses.filter(Boolean).join(' or ')}`);
    }
    return verify(key, token);
  });
}

function verify(jwk: JsonObject, { header, signature: bytes, signingInput }: TokenTrial['token']) {
  const name = textIn(header, 'alg');
  const algorithm = jwtAlgorithm(name);
  if (algorithm === undefined) return refused(`alg ${name}: not one that can be verified`);
  const said = textIn(jwk, 'alg');
  if (said !== '' && said !== name)
    return refused(`the key is for ${said}, the token says ${name}`);
  try {
    const key = importJwk(jwk);
    if (!isJwtSignature(signingInput, bytes, { key, algorithm })) {
      return refused('the signature does not verify by the key of that name');
    }
    return ok(`by key ${textIn(jwk, 'kid')}`);
  } catch (thrown) {
    return refused(CodedError.from(thrown).message);
  }
}

/** So many of one type, and each under a name of its own. */
export function keyCounts(source: string, most: number): DocumentCheck {
  return withDocuments('keys', source, ({ keys }) => {
    for (const kty of ['RSA', 'EC']) {
      const count = keys.filter((key) => textIn(key, 'kty') === kty).length;
      if (count > most) return refused(`${count} ${kty} keys, at most ${most}`);
    }
    const ids = keys.map((key) => textIn(key, 'kid'));
    if (new Set(ids).size < ids.length) return warning('two keys have the same kid');
    return ok(`${keys.length}`);
  });
}
