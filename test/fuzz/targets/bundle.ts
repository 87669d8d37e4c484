// SPIFFE bundle documents: what is taken can be written, and reads the same again.

import assert from 'node:assert/strict';
import {
  formatJwtBundle,
  formatSpiffeBundle,
  formatX509Bundle,
} from '../../../src/spiffe/bundle/bundle-format.ts';
import { parseSpiffeBundle } from '../../../src/spiffe/bundle/bundle-parse.ts';
import { splitCertificates } from '../../../src/spiffe/certificate/certificate.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import { X509TrustAnchors } from '../../../src/spiffe/x509-svid/x509-trust-anchors.ts';
import { accepted, type FuzzTarget } from '../fuzz-target.ts';

const TRUST_DOMAIN = parseTrustDomain('example.org');

export const BUNDLE: FuzzTarget = {
  name: 'bundle',
  dictionary: [
    '"keys":[',
    '"use":"x509-svid"',
    '"use":"jwt-svid"',
    '"use":"wit-svid"',
    '"kty":"EC"',
    '"kty":"RSA"',
    '"crv":"P-256"',
    '"crv":"P-521"',
    '"kid":"k1"',
    '"x5c":["',
    '"spiffe_sequence":1',
    '"spiffe_refresh_hint":300',
    'null',
    '{}',
    '[]',
    ',',
    '"n":"AQAB"',
    '"e":"AQAB"',
  ],
  maxBytes: 16_384,
  run: (input) => {
    const parsed = accepted(() => parseSpiffeBundle(input, TRUST_DOMAIN));
    if (parsed === undefined) return;
    const { bundle } = parsed;
    const again = parseSpiffeBundle(formatSpiffeBundle(bundle), TRUST_DOMAIN);
    assert.deepEqual(again.ignored, []);
    assert.deepEqual(again.bundle.x509Authorities, bundle.x509Authorities);
    assert.deepEqual([...again.bundle.jwtAuthorities.keys()], [...bundle.jwtAuthorities.keys()]);
    assert.equal(again.bundle.sequence, bundle.sequence);
    assert.equal(again.bundle.refreshHintSeconds, bundle.refreshHintSeconds);
    const certificates = splitCertificates(formatX509Bundle(bundle));
    assert.equal(certificates.length, bundle.x509Authorities.length);
    assert.ok(new X509TrustAnchors(certificates));
    assert.ok(Array.isArray(JSON.parse(Buffer.from(formatJwtBundle(bundle)).toString()).keys));
  },
};
