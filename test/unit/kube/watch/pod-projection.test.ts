import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  NO_NEEDS,
  type PodNeeds,
  PodProjection,
  unionOf,
} from '../../../../src/kube/watch/pod-projection.ts';
import type { JsonObject } from '../../../../src/template/json-value.ts';
import { parseTemplate } from '../../../../src/template/template.ts';

const DRIVER = 'csi.spiffe.io';
const OURS = { name: 'spiffe', csi: { driver: DRIVER, volumeAttributes: { a: 'b' } } };
const POD: JsonObject = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: 'web',
    namespace: 'n',
    uid: 'u',
    resourceVersion: '7',
    generation: 3,
    creationTimestamp: '2026-01-01T00:00:00Z',
    deletionTimestamp: '2026-01-01T00:01:00Z',
    deletionGracePeriodSeconds: 30,
    labels: { constructor: 'x', app: 'web' },
    annotations: { 'kubernetes.io/config.mirror': 'm', secret: 's' },
    ownerReferences: [{ kind: 'ReplicaSet', name: 'web', uid: 'o', controller: true }],
    managedFields: [{ manager: 'kubectl' }],
  },
  spec: {
    nodeName: 'node-1',
    serviceAccountName: 'web',
    priority: 5,
    securityContext: { runAsUser: 7, runAsGroup: 8 },
    affinity: {},
    containers: [{ name: 'c', image: 'i', env: [{ name: 'PASSWORD', value: 'p' }] }],
    initContainers: [{ name: 'd', image: 'j' }],
    volumes: [{ name: 'tmp', emptyDir: {} }, { name: 'x', csi: { driver: 'other' } }, OURS],
  },
  status: { phase: 'Running', podIP: '10.0.0.1' },
};

function needs(...sources: readonly string[]): PodNeeds {
  const fields = sources.flatMap((source) => [...parseTemplate('t', source).fields]);
  return { fields: new Set(fields), images: false };
}
const project = (all: PodNeeds, pod = POD) => new PodProjection(all, DRIVER).project(pod);
const kept = (all: PodNeeds) => {
  const { metadata, spec } = project(all) as { metadata: JsonObject; spec: JsonObject };
  return { metadata, spec };
};

test('without policies exactly what the program reads is kept', () => {
  assert.deepEqual(project(NO_NEEDS), {
    metadata: {
      name: 'web',
      namespace: 'n',
      uid: 'u',
      resourceVersion: '7',
      deletionTimestamp: '2026-01-01T00:01:00Z',
      deletionGracePeriodSeconds: 30,
      labels: { constructor: 'x', app: 'web' },
      annotations: { 'kubernetes.io/config.mirror': 'm' },
      ownerReferences: [{ kind: 'ReplicaSet', name: 'web', uid: 'o', controller: true }],
    },
    spec: { nodeName: 'node-1', serviceAccountName: 'web', volumes: [OURS] },
    status: { phase: 'Running' },
  });
});

test('what a template names is kept with it, and nothing beside it', () => {
  const { metadata, spec } = kept(
    needs('{{ .PodMeta.Annotations.a }}{{ .PodSpec.SecurityContext.RunAsUser }}'),
  );
  assert.deepEqual(metadata['annotations'], { 'kubernetes.io/config.mirror': 'm', secret: 's' });
  assert.deepEqual(spec['securityContext'], { runAsUser: 7 });
  assert.equal(spec['containers'], undefined);
  assert.equal(metadata['creationTimestamp'], undefined);
});

test('a part of an element is the whole list, a time or a getter the whole field', () => {
  const { spec } = kept(needs('{{ (index .PodSpec.Containers 0).Name }}'));
  assert.deepEqual(spec['containers'], (POD['spec'] as JsonObject)['containers']);
  const { metadata } = kept(
    needs('{{ .PodMeta.CreationTimestamp.Year }}{{ .PodMeta.GetGeneration }}'),
  );
  assert.equal(metadata['creationTimestamp'], '2026-01-01T00:00:00Z');
  assert.equal(metadata['generation'], 3);
});

test('a pod as a whole is kept as a whole', () => {
  const all = kept(needs('{{ .PodSpec }}{{ .PodMeta }}'));
  assert.deepEqual(all.spec, POD['spec']);
  assert.deepEqual(all.metadata, POD['metadata']);
});

test('presence shows: what a template only asks for is kept, and what is on the way', () => {
  assert.deepEqual(kept(needs('{{ if .PodSpec.Affinity }}x{{ end }}')).spec['affinity'], {});
  const path = kept(needs('{{ .PodSpec.Affinity.NodeAffinity }}'));
  assert.deepEqual(path.spec['affinity'], {});
});

test('fields of nodes and of the installation need nothing of pods', () => {
  assert.deepEqual(project(needs('{{ .TrustDomain }}{{ .NodeMeta.Name }}')), project(NO_NEEDS));
});

test('images are kept where selectors may ask for them, without what else containers hold', () => {
  const { spec } = kept({ fields: new Set(), images: true });
  assert.deepEqual(spec['containers'], [{ image: 'i' }]);
  assert.deepEqual(spec['initContainers'], [{ image: 'j' }]);
});

test('every template renders the same over what is kept', () => {
  const sources = [
    'a/{{ .PodMeta.Namespace }}/{{ .PodSpec.ServiceAccountName }}',
    '{{ with .PodSpec.SecurityContext }}{{ .RunAsGroup }}{{ else }}none{{ end }}',
    '{{ range .PodSpec.Containers }}{{ .Image }}{{ range .Env }}{{ .Value }}{{ end }}{{ end }}',
    '{{ if .PodSpec.Affinity }}y{{ end }}{{ .PodSpec.Priority }}',
    '{{ range .PodSpec.Volumes }}{{ .Name }}{{ end }}',
    '{{ range $k, $v := .PodMeta.Annotations }}{{ $k }}{{ end }}',
    '{{ len .PodMeta.OwnerReferences }}{{ .PodMeta.DeletionGracePeriodSeconds }}',
  ];
  for (const source of sources) {
    const template = parseTemplate('t', source);
    const render = (pod: JsonObject) =>
      template.render({
        trustDomain: 'example.org',
        clusterName: 'c',
        clusterDomain: 'd',
        pod: { metadata: pod['metadata'] as JsonObject, spec: pod['spec'] as JsonObject },
      });
    assert.equal(render(project(needs(source))), render(POD), source);
  }
});

test('a projection knows what it covers', () => {
  const wide = new PodProjection(needs('{{ .PodSpec.SecurityContext }}'), DRIVER);
  assert.equal(wide.covers(NO_NEEDS), true);
  assert.equal(wide.covers(needs('{{ .PodSpec.SecurityContext.RunAsUser }}')), true);
  assert.equal(wide.covers(needs('{{ .PodMeta.Labels.a }}{{ .PodMeta.Name }}')), true);
  assert.equal(wide.covers(needs('{{ .PodMeta.Annotations.a }}')), false);
  assert.equal(wide.covers(needs('{{ .PodSpec }}')), false);
  assert.equal(wide.covers({ fields: new Set(), images: true }), false);
});

test('a union is covered by itself and covers its parts', () => {
  const parts = [needs('{{ .PodMeta.Annotations }}'), { fields: new Set<string>(), images: true }];
  const all = new PodProjection(unionOf(parts), DRIVER);
  for (const part of parts) assert.equal(all.covers(part), true);
});

test('what is no pod comes out as nothing that could be taken for one', () => {
  assert.deepEqual(project(NO_NEEDS, { metadata: 7, spec: 'x' }), { metadata: 7, spec: 'x' });
  assert.deepEqual(project(NO_NEEDS, {}), {});
});
