// What every pod of the chart is allowed on its node.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, listAt, NEEDS_HELM, podSpecs, render } from './rendered.ts';

const NODE = 'DaemonSet/signet-node';
const EXPECTED = [
  NODE,
  'Deployment/signet-controller',
  'Deployment/signet-issuer',
  'Job/signet-authority-1',
  'CronJob/signet-authority',
  'Pod/signet-check',
  'Job/signet-check-uninstall',
];

test('all pods are known to the other tests', NEEDS_HELM, () => {
  assert.deepEqual([...podSpecs(render()).keys()].toSorted(), EXPECTED.toSorted());
});

test(
  'no pod has privileges, capabilities, a writable root or the namespaces of its host',
  NEEDS_HELM,
  () => {
    for (const [name, spec] of podSpecs(render())) {
      for (const key of ['hostNetwork', 'hostPID', 'hostIPC'])
        assert.equal(spec[key], undefined, name);
      assert.deepEqual(
        at(spec, 'securityContext', 'seccompProfile'),
        { type: 'RuntimeDefault' },
        name,
      );
      const containers = listAt(spec, 'containers');
      assert.equal(containers.length, 1, name);
      assert.deepEqual(
        at(containers[0], 'securityContext'),
        {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
        name,
      );
    }
  },
);

test('only the node plugin is root, and only it sees directories of its host', NEEDS_HELM, () => {
  for (const [name, spec] of podSpecs(render())) {
    const host = listAt(spec, 'volumes').flatMap((each) => at(each, 'hostPath', 'path') ?? []);
    if (name === NODE) {
      assert.equal(at(spec, 'securityContext', 'runAsUser'), 0);
      assert.deepEqual(host, [
        '/var/lib/kubelet/pods',
        '/var/lib/kubelet/plugins/signet.dev/csi.spiffe.io',
        '/var/lib/kubelet/plugins_registry',
      ]);
    } else {
      assert.equal(at(spec, 'securityContext', 'runAsNonRoot'), true, name);
      assert.equal(at(spec, 'securityContext', 'runAsUser'), 65_532, name);
      assert.deepEqual(host, [], name);
    }
  }
});

test(
  'the node plugin sees directories of the kubelet at the same paths, and pins no mount',
  NEEDS_HELM,
  () => {
    const spec = podSpecs(render('kubeletRoot=/data/kubelet')).get(NODE);
    const [container] = listAt(spec, 'containers');
    const paths = new Map(
      listAt(spec, 'volumes').map((each) => [each['name'], at(each, 'hostPath', 'path')]),
    );
    const mounts = listAt(container, 'volumeMounts');
    for (const mount of mounts) {
      const path = paths.get(mount['name'] ?? '');
      if (path !== undefined) assert.equal(mount['mountPath'], path);
    }
    const pods = mounts.find(({ name }) => name === 'pods');
    assert.equal(pods?.['mountPropagation'], 'HostToContainer');
    assert.equal(
      mounts.filter(({ mountPropagation }) => mountPropagation === 'Bidirectional').length,
      0,
    );
    const root = (at(container, 'args') as string[]).filter((arg) =>
      arg.startsWith('--kubelet-root='),
    );
    assert.deepEqual(root, ['--kubelet-root=/data/kubelet']);
  },
);

test('KU-07: the node plugin has no token but the one for its issuer', NEEDS_HELM, () => {
  const spec = podSpecs(render()).get(NODE);
  const tokens = listAt(spec, 'volumes').flatMap((volume) => {
    return listAt(volume, 'projected', 'sources').map((source) =>
      at(source, 'serviceAccountToken'),
    );
  });
  assert.deepEqual(tokens, [
    { path: 'token', audience: 'signet-issuer/example.org', expirationSeconds: 3600 },
  ]);
});

test('no pod mounts a token by default, and none lives longer than an hour', NEEDS_HELM, () => {
  for (const [name, spec] of podSpecs(render())) {
    assert.equal(spec['automountServiceAccountToken'], false, name);
    for (const volume of listAt(spec, 'volumes')) {
      for (const source of listAt(volume, 'projected', 'sources')) {
        const seconds = at(source, 'serviceAccountToken', 'expirationSeconds');
        assert.ok(seconds === undefined || seconds === 3600, name);
      }
    }
  }
});

test(
  'every container has resources, and every lasting one probes without a shell',
  NEEDS_HELM,
  () => {
    for (const [name, spec] of podSpecs(render())) {
      const [container] = listAt(spec, 'containers');
      assert.ok(at(container, 'resources', 'requests', 'memory'), name);
      assert.ok(at(container, 'resources', 'limits', 'memory'), name);
      if (!/^(?:Deployment|DaemonSet)\//.test(name)) continue;
      for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
        assert.equal(at(container, probe, 'httpGet', 'port'), 'health', `${name} ${probe}`);
      }
      // Alive depends on nobody else, or a restart of one would bring the others down.
      assert.notEqual(at(container, 'livenessProbe', 'httpGet', 'path'), '/readyz', name);
    }
  },
);

test('all pods run one image, by digest where one is given', NEEDS_HELM, () => {
  const digest = `sha256:${'0'.repeat(64)}`;
  const images = [...podSpecs(render(`image.digest=${digest}`)).values()].map((spec) => {
    return at(listAt(spec, 'containers')[0], 'image');
  });
  assert.deepEqual(new Set(images), new Set([`signet@${digest}`]));
});
