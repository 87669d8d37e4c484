// Files in dev mode, by the webhook's own decision and the real issuer: written where the run directory
// is once that is allowed, limited and taken away by restrictions.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { decodeJwt } from 'jose';
import { until } from '../process-harness.ts';
import { DevProcess, podManifest, policyManifest } from './dev-process.ts';

const PATIENCE_MS = 15_000;
const restriction = (spec: object) =>
  JSON.stringify({
    apiVersion: 'signet.dev/v1alpha1',
    kind: 'IdentityRestriction',
    metadata: { name: 'limits' },
    spec: { match: { namespace: 'shop' }, ...spec },
  });

const dev = new DevProcess({
  'policy.json': policyManifest('agents', { spiffeIDTemplate: 'spiffe://example.org/agent' }),
  'pod.json': podManifest('agent', {
    annotations: {
      'signet.dev/for': 'aws',
      'signet.dev/jwt-audience': 'db',
      'aws.signet.dev/role-arn': 'arn:aws:iam::1:role/agent',
    },
  }),
});
after(async () => await dev.close());

const emptyDirs = () => {
  const pods = join(dev.runDir, 'kubelet/pods');
  return readdirSync(pods).map((uid) =>
    join(pods, uid, 'volumes/kubernetes.io~empty-dir/signet-files'),
  );
};

test('files are written, and follow restrictions within a second or two', async () => {
  await dev.start(['--allow-keys-on-disk']);
  await dev.pod('shop/agent');
  const [directory = ''] = emptyDirs();
  const names = () =>
    readdirSync(directory)
      .filter((name) => !name.startsWith('..'))
      .toSorted();
  await until(() => names().includes('aws-token') && names().includes('crl.pem'), PATIENCE_MS);
  assert.deepEqual(names(), [
    'aws-token',
    'ca.crt',
    'crl.pem',
    'jwt_bundle.json',
    'tls.crt',
    'tls.key',
    'token',
  ]);
  const text = (name: string) => readFileSync(join(directory, name), 'utf8');
  assert.deepEqual(decodeJwt(text('aws-token')).aud, ['sts.amazonaws.com']);
  const leaf = new X509Certificate(text('tls.crt'));
  assert.equal(leaf.subjectAltName, 'URI:spiffe://example.org/agent');
  dev.write('restriction.json', restriction({ allowedAudiences: ['db'] }));
  await until(() => !names().includes('aws-token'), PATIENCE_MS);
  assert.ok(names().includes('token'), 'what is allowed stays');
  dev.write('restriction.json', restriction({ suspend: true }));
  await until(() => readdirSync(directory).length === 0, PATIENCE_MS);
  dev.remove('restriction.json');
  await until(() => names().length === 7, PATIENCE_MS);
  dev.remove('pod.json');
  await until(() => !existsSync(directory), PATIENCE_MS);
});
