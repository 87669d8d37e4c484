import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { type IdentityKind, IdentityView } from '../../../src/identity/identity-view.ts';
import { DEFAULT_IDENTITY_SETTINGS } from '../../../src/identity/settings.ts';
import { IdentityPodSource } from '../../../src/issuer/identity-pod-source.ts';
import type { PodChange } from '../../../src/issuer/pod-source.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';

const DRIVER = 'csi.spiffe.io';

let clock: FakeClock;
let source: IdentityPodSource;
let changes: PodChange[];
let version: bigint;

beforeEach(() => {
  clock = new FakeClock();
  version = 0n;
  changes = [];
  source = new IdentityPodSource({
    view: new IdentityView({
      ...DEFAULT_IDENTITY_SETTINGS,
      trustDomain: parseTrustDomain('example.org'),
    }),
    driverName: DRIVER,
    clock,
    onBadObject: (_, errors) => assert.fail(errors.join()),
  });
  source.onChange((change) => changes.push(change));
});

function set(kind: IdentityKind, object: JsonObject | undefined, name = nameOf(object)): void {
  const namespace = kind === 'Pod' ? 'shop' : '';
  version += 1n;
  source.apply([{ kind, namespace, name, object }], version);
}

function nameOf(object: JsonObject | undefined): string {
  return String((object?.['metadata'] as { name?: string } | undefined)?.name);
}

const NAMESPACE = { metadata: { name: 'shop' } };

function pod(change: JsonObject = {}): JsonObject {
  return {
    metadata: { name: 'web', namespace: 'shop', uid: 'web-uid', labels: { app: 'web' } },
    spec: {
      nodeName: 'node-1',
      serviceAccountName: 'web',
      volumes: [
        { name: 'identity', csi: { driver: DRIVER, volumeAttributes: { a: 'b' } } },
        { name: 'other', csi: { driver: 'other.example' } },
      ],
      ...change,
    },
    status: { phase: 'Running' },
  };
}

function policy(template: string): JsonObject {
  return {
    metadata: { name: 'all', uid: 'policy-uid' },
    spec: { spiffeIDTemplate: `spiffe://example.org/${template}` },
  };
}

test('a pod is told with the version of the batch that last changed its answer', () => {
  set('Namespace', NAMESPACE);
  set('ClusterSPIFFEID', policy('{{ .PodMeta.Name }}'));
  set('Pod', pod());
  const answer = source.pod('web-uid');
  assert.equal(answer?.version, 3n);
  assert.deepEqual(
    answer.entries.map(({ spiffeId, entryId }) => [spiffeId, entryId]),
    [['spiffe://example.org/web', 'policy-uid']],
  );
  assert.deepEqual(answer.volumes, [{ name: 'identity', attributes: { a: 'b' } }]);
  set('Namespace', { metadata: { name: 'other' } });
  assert.equal(source.pod('web-uid')?.version, 3n);
  set('ClusterSPIFFEID', policy('x/{{ .PodMeta.Name }}'));
  assert.equal(source.pod('web-uid')?.version, 5n);
  assert.deepEqual(changes.at(-1), { podUid: 'web-uid', node: 'node-1', gone: false });
});

test('a pod that is gone is told with the node it was on', () => {
  set('Namespace', NAMESPACE);
  set('Pod', pod());
  set('Pod', undefined, 'web');
  assert.deepEqual(changes.at(-1), { podUid: 'web-uid', node: 'node-1', gone: true });
  assert.equal(source.pod('web-uid'), undefined);
});

test('nothing is said of a pod whose namespace or node is not known yet', () => {
  set('ClusterSPIFFEID', policy('{{ .NodeMeta.Name }}'));
  set('Pod', pod());
  set('Namespace', NAMESPACE);
  assert.deepEqual(changes, []);
  assert.equal(source.pod('web-uid'), undefined);
  assert.deepEqual([...source.podsOn('node-1')], []);
  set('Node', { metadata: { name: 'node-1', uid: 'n' } });
  assert.deepEqual(changes, [{ podUid: 'web-uid', node: 'node-1', gone: false }]);
  assert.equal(source.pod('web-uid')?.entries[0]?.spiffeId, 'spiffe://example.org/node-1');
});

test('only pods with a volume of the driver are pushed', () => {
  set('Namespace', NAMESPACE);
  set('Pod', pod({ volumes: [] }));
  assert.deepEqual([...source.podsOn('node-1')], []);
  assert.deepEqual(source.pod('web-uid')?.volumes, []);
});

test('what a restriction took comes back when its time is over, without a further object', async () => {
  set('Namespace', NAMESPACE);
  set('ClusterSPIFFEID', policy('{{ .PodMeta.Name }}'));
  set('Pod', pod());
  set('IdentityRestriction', {
    metadata: { name: 'stop' },
    spec: {
      match: { namespace: 'shop' },
      suspend: true,
      until: new Date(clock.now() + 5000).toISOString(),
    },
  });
  assert.equal(source.pod('web-uid')?.refusal, 'Suspended');
  const stop = new AbortController();
  const running = source.run(stop.signal);
  await clock.advance(4000);
  assert.equal(source.pod('web-uid')?.refusal, 'Suspended');
  await clock.advance(2000);
  assert.equal(source.pod('web-uid')?.refusal, '');
  assert.deepEqual(changes.at(-1), { podUid: 'web-uid', node: 'node-1', gone: false });
  stop.abort();
  await running;
});

const OWNER = { kind: 'Job', name: 'batch', uid: 'job-uid', controller: true };
const OWNERS = [{ kind: 'Job', name: 'batch', uid: 'job-uid', isController: true }];
const ISSUED = {
  podUid: 'web-uid',
  entryId: 'policy-uid',
  node: 'node-1',
  namespace: 'shop',
  serviceAccount: 'web',
  spiffeId: 'spiffe://example.org/web',
};

function restrict(match: JsonObject): void {
  set('IdentityRestriction', { metadata: { name: 'stop' }, spec: { match, suspend: true } });
}

const isSuspended = (change: object = {}) => source.suspending({ ...ISSUED, ...change }).length > 0;

test('a certificate of a pod that is gone is judged by its owners and level as issued', () => {
  restrict({ owner: { kind: 'Job', name: 'batch' } });
  assert.ok(isSuspended({ owners: OWNERS }));
  assert.ok(!isSuspended({ owners: [] }) && !isSuspended());
  restrict({ trustLevels: ['low'] });
  assert.ok(isSuspended({ trustLevel: 'low' }));
  assert.ok(!isSuspended({ trustLevel: 'high' }) && !isSuspended({ trustLevel: '' }));
  restrict({ exceptTrustLevels: ['high'] });
  assert.ok(!isSuspended({ trustLevel: 'high' }));
  assert.ok(isSuspended({ trustLevel: 'low' }) && isSuspended({ trustLevel: '' }));
});

test('a pod without its entry for now is judged by the level as issued, or by none', () => {
  set('Namespace', NAMESPACE);
  set('Pod', pod());
  restrict({ exceptTrustLevels: ['high'] });
  assert.ok(!isSuspended({ trustLevel: 'high' }) && !isSuspended());
  assert.ok(isSuspended({ trustLevel: 'low' }));
  restrict({ namespace: 'shop' });
  assert.ok(isSuspended());
});

test('what is suspended is told apart, for certificates of it are out', () => {
  set('Namespace', NAMESPACE);
  set('ClusterSPIFFEID', policy('{{ .PodMeta.Name }}'));
  const { metadata, ...rest } = pod();
  set('Pod', { ...rest, metadata: { ...(metadata as JsonObject), ownerReferences: [OWNER] } });
  assert.deepEqual(source.pod('web-uid')?.suspended, []);
  assert.deepEqual(source.pod('web-uid')?.owners, OWNERS);
  restrict({ namespace: 'shop' });
  const [suspended, ...more] = source.pod('web-uid')?.suspended ?? [];
  assert.deepEqual([suspended?.entryId, suspended?.spiffeId], [ISSUED.entryId, ISSUED.spiffeId]);
  assert.deepEqual(more, []);
});
