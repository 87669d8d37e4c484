// An intermediate below a root, made once per test file by the code that makes them in production.

import {
  createIntermediateAuthority,
  createRootAuthority,
} from '../../../../src/spiffe/authority/x509-authority.ts';
import { parseTrustDomain } from '../../../../src/spiffe/spiffe-id.ts';
import { NOW } from '../certificate/forged-certificate.ts';

export const HOUR = 3_600_000;
export const trustDomain = parseTrustDomain('example.org');

const validity = { trustDomain, notBefore: NOW - HOUR };

export const root = await createRootAuthority({ ...validity, notAfter: NOW + 1000 * HOUR });
export const intermediate = await createIntermediateAuthority({
  ...validity,
  notAfter: NOW + 48 * HOUR,
  signedBy: root,
});
