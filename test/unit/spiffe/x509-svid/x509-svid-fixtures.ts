// A valid chain, and what makes and validates others like it.

import { CodedError } from '../../../../src/base/errors.ts';
import { validateX509Svid } from '../../../../src/spiffe/x509-svid/x509-svid.ts';
import { X509TrustAnchors } from '../../../../src/spiffe/x509-svid/x509-trust-anchors.ts';
import { trustDomain } from '../authority/issuing-authority.ts';
import {
  authorityExtensions,
  forge,
  leafExtensions,
  NOW,
  party,
  type Shape,
} from '../certificate/forged-certificate.ts';

export const top = party('root');
export const middle = party('intermediate');
const workload = party('');
export const rootDer = forge(top, top, { extensions: authorityExtensions() });
export const leafOf = (shape: Shape = {}, by = middle) =>
  forge(workload, by, { extensions: leafExtensions(), ...shape });
export const middleOf = (shape: Shape = {}, by = top) =>
  forge(middle, by, { extensions: authorityExtensions(0), ...shape });

export type Given = {
  readonly chain?: readonly Uint8Array[];
  readonly authorities?: readonly Uint8Array[];
  readonly now?: number;
};

export function validate({ chain, authorities = [rootDer], now = NOW }: Given = {}) {
  const anchors = new X509TrustAnchors(authorities);
  return validateX509Svid(chain ?? [leafOf(), middleOf()], {
    authoritiesOf: (name) => (name === trustDomain ? anchors : undefined),
    now,
  });
}

export const refused = (rule: RegExp) => (thrown: unknown) =>
  thrown instanceof CodedError && thrown.code === 'invalid-argument' && rule.test(thrown.message);
