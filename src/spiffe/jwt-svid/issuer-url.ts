// The issuer of JWT-SVIDs as OpenID Connect has it: a URL that is compared byte by byte with `iss`, so
// it has one spelling only (OpenID Connect Discovery §2, §4.3).

import { invalid } from '../../base/errors.ts';

export type IssuerUrl = string & { readonly __brand: 'IssuerUrl' };

/** What verifiers store of it: OpenID Connect Core §2 has the same limit for `sub`. */
const MAX_BYTES = 255;
const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const FORM = new RegExp(
  `^https://(${LABEL}(?:\\.${LABEL})*)(?::([1-9][0-9]{0,4}))?((?:/[A-Za-z0-9._~-]+)*)$`,
);

/**
 * Lower-case host, no user, query, fragment or slash at the end; a port only where it is not 443.
 * Throws `invalid-argument` naming `field`.
 */
export function parseIssuerUrl(text: string, field: string): IssuerUrl {
  const [, , port, path = ''] = FORM.exec(text) ?? [];
  if (!FORM.test(text)) {
    throw invalid(
      `${field}: must be https://HOST or https://HOST/PATH in lower case, without a slash at the end, a query or a fragment`,
    );
  }
  if (text.length > MAX_BYTES) throw invalid(`${field}: over ${MAX_BYTES} bytes`);
  if (port === '443') throw invalid(`${field}: 443 is the default port and is left out`);
  if (Number(port ?? 1) > 65_535) throw invalid(`${field}: no such port`);
  if (path.split('/').some((segment) => segment === '.' || segment === '..')) {
    throw invalid(`${field}: the path must not have dot segments`);
  }
  return text as IssuerUrl;
}

/** Host without port. */
export function issuerHost(issuer: IssuerUrl): string {
  return FORM.exec(issuer)?.[1] ?? '';
}

/** '' or a path that starts with a slash. */
export function issuerPath(issuer: IssuerUrl): string {
  return FORM.exec(issuer)?.[3] ?? '';
}
