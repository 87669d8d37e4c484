import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { type Rendering, renderCommand } from '../../../src/cli/render.ts';
import { ClusterHarness, PATHS } from './cluster-harness.ts';

let cluster: ClusterHarness;
beforeEach(async () => {
  cluster = await ClusterHarness.start();
  cluster.decideBy('--trust-domain=a.test');
  cluster.set(PATHS.nodes, { metadata: { name: 'n1' } });
  for (const namespace of ['shop', 'lab']) {
    cluster.set(PATHS.namespaces, { metadata: { name: namespace } });
    cluster.set(PATHS.pods, {
      metadata: { name: 'web', namespace, uid: `uid-${namespace}` },
      spec: { nodeName: 'n1', containers: [] },
    });
  }
  cluster.policy('old', { spiffeIDTemplate: 'spiffe://a.test/{{ .PodMeta.Namespace }}' });
});
afterEach(async () => await cluster.stop());

async function render(name: string, spec: object, ...args: readonly string[]): Promise<Rendering> {
  const file = join(cluster.directory, 'policy.yaml');
  const kind = { apiVersion: 'spire.spiffe.io/v1alpha1', kind: 'ClusterSPIFFEID' };
  writeFileSync(file, JSON.stringify({ ...kind, metadata: { name }, spec }));
  const { out, code, err } = await cluster.run(renderCommand, '-f', file, '-o', 'json', ...args);
  assert.equal(code, 0, err);
  return JSON.parse(out) as Rendering;
}
const ids = ({ entries }: Rendering) =>
  entries.map(({ policy, spiffeID, served, reason }) => [policy, spiffeID, served || reason]);

test('a policy that is not there yet: what it would give the pods, with nothing applied', async () => {
  const spec = { spiffeIDTemplate: 'spiffe://a.test/new/{{ .PodMeta.Namespace }}' };
  const rendering = await render('new', spec);
  assert.deepEqual(ids(rendering), [
    ['new', 'spiffe://a.test/new/lab', true],
    ['new', 'spiffe://a.test/new/shop', true],
  ]);
  assert.deepEqual(
    rendering.policies.map(({ name, accepted }) => [name, accepted]),
    [['new', true]],
  );
  assert.ok(cluster.api.requests.every(({ method }) => method === 'GET'));
  assert.equal(cluster.api.all(PATHS.policies).length, 1);
  assert.equal((await render('new', spec, '-n', 'lab')).entries.length, 1);
});

test('an edit takes the place of what is stored, and a new policy is the youngest', async () => {
  const edited = await render('old', { spiffeIDTemplate: 'spiffe://a.test/edited' }, '-n', 'lab');
  assert.deepEqual(ids(edited), [['old', 'spiffe://a.test/edited', true]]);
  // The same entry as the older policy's: that one keeps it.
  const same = await render('new', { spiffeIDTemplate: 'spiffe://a.test/lab' }, '-n', 'lab');
  assert.deepEqual(ids(same), []);
  const fallback = { spiffeIDTemplate: 'spiffe://a.test/x', fallback: true };
  assert.deepEqual(ids(await render('new', fallback)), []);
});
