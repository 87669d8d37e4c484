// `signet controller` as it is started in an image, after the authority role has run.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { clusterKeeper, rotateAuthorities } from '../../../src/issuer/authority/main.ts';
import { fixedAccess } from '../../../src/kube/kube-access.ts';
import { KubeClient } from '../../../src/kube/kube-client.ts';
import { VALIDATE_CLUSTER_SPIFFE_ID_PATH } from '../../../src/webhook/server/admission-paths.ts';
import { MemoryAuditLog } from '../../unit/issuer/fixtures.ts';
import { ControllerHarness, MUTATING, TRUST_DOMAIN } from './controller-harness.ts';

const MAIN = join(import.meta.dirname, '../../../src/main.ts');
const LEASES = '/apis/coordination.k8s.io/v1/leases';
const OPTIONS = [
  '--disable-sigusr1',
  '--disable-proto=throw',
  '--no-addons',
  '--conditions=source',
];
type Listening = { readonly settings: { webhook: number; health: number } };

test('R10: it serves what the authority role made, and hands its lease back at the end', async () => {
  const cluster = await ControllerHarness.start();
  const directory = mkdtempSync(join(tmpdir(), 'signet-account-'));
  const { url, ca, token } = cluster.api;
  writeFileSync(join(directory, 'token'), token);
  writeFileSync(join(directory, 'ca.crt'), ca);
  const access = fixedAccess({ url, ca, token });
  const client = new KubeClient({ access, clock: systemClock, userAgent: 'authority' });
  const run = {
    trustDomain: TRUST_DOMAIN,
    jwtKeyType: 'ec-p256' as const,
    audit: new MemoryAuditLog(),
    clock: systemClock,
    log: silentLogger,
  };
  const place = { client, namespace: 'signet', clusterDomain: 'cluster.local' };
  await rotateAuthorities(clusterKeeper(place, run), run, new AbortController().signal);
  client.close();
  const flags = {
    'trust-domain': TRUST_DOMAIN,
    'api-server': url,
    'service-account-dir': directory,
    'pod-name': 'signet-controller-x',
    host: 'localhost',
    'webhook-port': '0',
    'health-port': '0',
  };
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  const child = spawn(process.execPath, [...OPTIONS, MAIN, 'controller', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {},
  });
  const lines: string[] = [];
  createInterface(child.stderr).on('line', (line) => lines.push(line));
  const ended = once(child, 'close');
  try {
    await cluster.until(() => {
      const line = lines.find((each) => each.includes('Answers API servers'));
      if (line !== undefined) cluster.ports = (JSON.parse(line) as Listening).settings;
      if (child.exitCode !== null) throw new Error(lines.join('\n'));
      return line !== undefined && cluster.caBundle(MUTATING) !== '';
    });
    await cluster.until(
      async () => (await cluster.probe('/readyz').catch(() => undefined))?.status === 200,
    );
    const review = {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      request: {
        uid: 'review-1',
        operation: 'CREATE',
        kind: { group: 'spire.spiffe.io', version: 'v1alpha1', kind: 'ClusterSPIFFEID' },
        resource: { group: 'spire.spiffe.io', version: 'v1alpha1', resource: 'clusterspiffeids' },
        object: { metadata: { name: 'bad' }, spec: { spiffeIDTemplate: '{{ .Nope }}' } },
      },
    };
    const answer = await cluster.review(
      VALIDATE_CLUSTER_SPIFFE_ID_PATH,
      cluster.caBundle(MUTATING),
      review,
    );
    assert.match(JSON.stringify(answer), /"allowed":false/);
    child.kill('SIGTERM');
    await ended;
    assert.equal(child.exitCode, 0, lines.join('\n'));
    const lease = cluster.api.get(LEASES, 'signet-controller', 'signet');
    assert.match(JSON.stringify(lease?.['spec']), /"holderIdentity":""/);
    assert.doesNotMatch(lines.join('\n'), /PRIVATE KEY/);
  } finally {
    child.kill('SIGKILL');
    await ended;
    rmSync(directory, { recursive: true });
    await cluster.stop();
  }
});
