// What a preflight is made of: a consumer is a list of checks, a check is a name, where its rule is
// published, and a function from what is tried to a verdict.

import type { X509Certificate } from 'node:crypto';
import type { Documents } from './documents.ts';
import type { ReadToken } from './token.ts';

/**
 * - `refused`: the consumer takes it under no circumstances that are known here.
 * - `warning`: it takes it, and something is likely to go wrong.
 * - `unknown`: it depends on what was not given.
 */
export type Verdict = {
  readonly status: 'ok' | 'refused' | 'warning' | 'unknown';
  readonly message: string;
};

export const ok = (message = ''): Verdict => ({ status: 'ok', message });
export const refused = (message: string): Verdict => ({ status: 'refused', message });
export const warning = (message: string): Verdict => ({ status: 'warning', message });
export const unknown = (message: string): Verdict => ({ status: 'unknown', message });

/** What the operator told the consumer, as far as it is known. */
export type Expected = {
  readonly audience: string | undefined;
  /** A pattern, in the consumer's own notation. */
  readonly subject: string | undefined;
  readonly trustDomain: string | undefined;
  /** Seconds; undefined: the consumer's default. */
  readonly maxLifetimeSeconds: number | undefined;
  /** Whether the consumer fetches the keys from the issuer, or was given them. */
  readonly keys: 'discovery' | 'uploaded';
};

export type TokenTrial = {
  readonly token: ReadToken;
  readonly expected: Expected;
  /** Seconds since the epoch. */
  readonly now: number;
  /** Undefined when they were not to be looked at; a text when they could not be read. */
  readonly documents: Documents | string | undefined;
  /** They were fetched under authorities of the operator's own. */
  readonly hasOwnAuthorities: boolean;
};

export type CertificateTrial = {
  /** Leaf first. */
  readonly chain: readonly X509Certificate[];
  readonly expected: Expected;
  readonly now: number;
};

export type Check<Trial> = {
  readonly name: string;
  /** Title of the document that publishes the rule. */
  readonly source: string;
  readonly run: (trial: Trial) => Verdict;
};

export type Consumer = {
  readonly title: string;
  /** Asked for when a token is fetched and nothing else is said. */
  readonly usualAudience?: string;
  /** It finds keys in a SPIFFE bundle, not at the token's issuer. */
  readonly usesBundle?: boolean;
} & (
  | { readonly takes: 'token'; readonly checks: readonly Check<TokenTrial>[] }
  | { readonly takes: 'certificate'; readonly checks: readonly Check<CertificateTrial>[] }
);
