// Keys that a node makes: each type is one that the issuer makes a certificate for, and the event loop
// goes on meanwhile.

import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { decideKey } from '../../../../src/issuer/policy/signing-policy.ts';
import { readIssued } from '../../../../src/node/svid/issued-chain.ts';
import { generateWorkloadKey, NODE_KEY_TYPES } from '../../../../src/node/svid/workload-key.ts';
import { parseSpiffeId } from '../../../../src/spiffe/spiffe-id.ts';
import { workloadKeyTypeOf } from '../../../../src/spiffe/x509-svid/workload-public-key.ts';
import { X509SvidIssuer } from '../../../../src/spiffe/x509-svid/x509-svid-issuer.ts';
import { HOUR, intermediate, trustDomain } from '../../spiffe/authority/issuing-authority.ts';
import { NOW } from '../../spiffe/certificate/forged-certificate.ts';

const spiffeId = parseSpiffeId('spiffe://example.org/agent');
const issuer = new X509SvidIssuer({ trustDomain, ...intermediate });

for (const type of NODE_KEY_TYPES) {
  test(`N7: a key of type ${type} and its certificate`, async () => {
    const { pkcs8, publicKey } = await generateWorkloadKey(type);
    assert.equal(workloadKeyTypeOf(publicKey), type);
    const validity = { notBefore: NOW, notAfter: NOW + HOUR };
    const { certificateDer } = issuer.issue({ publicKey, spiffeId, ...validity });
    const chain = [certificateDer, intermediate.certificateDer];
    const { notAfter } = readIssued(chain, { spiffeId, publicKey });
    assert.equal(notAfter, NOW + HOUR);
    const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
    const certificate = new X509Certificate(certificateDer);
    assert.ok(certificate.checkPrivateKey(key));
    if (type === 'rsa-2048') assert.equal(key.asymmetricKeyDetails?.modulusLength, 2048);
    const other = await generateWorkloadKey(type);
    assert.throws(() => readIssued(chain, { spiffeId, publicKey: other.publicKey }), /another key/);
  });

  test(`N7: an issuer may allow ${type} or not`, async () => {
    const { publicKey: bytes } = await generateWorkloadKey(type);
    assert.ok(decideKey({ isFree: true, bytes }).allowed);
    assert.ok(decideKey({ isFree: true, bytes, allowedTypes: new Set([type]) }).allowed);
    const others = new Set(NODE_KEY_TYPES.filter((each) => each !== type));
    const refused = decideKey({ isFree: true, bytes, allowedTypes: others });
    assert.equal(refused.allowed || refused.reason, 'KeyNotAllowed');
    const bent = decideKey({
      isFree: true,
      bytes: bytes.subarray(1),
      allowedTypes: new Set([type]),
    });
    assert.equal(bent.allowed || bent.reason, 'KeyNotAllowed');
  });
}

test('an RSA key is made while the event loop goes on', async () => {
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 1);
  await generateWorkloadKey('rsa-2048');
  clearInterval(timer);
  assert.ok(turns > 0, `${turns} turns`);
});
