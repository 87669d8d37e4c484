// Who could have written which byte of an identity.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parseTemplate, type Run } from '../../../src/template/template.ts';
import { SAMPLE } from './sample-data.ts';

function trace(source: string): readonly Run[] {
  return parseTemplate('id', source).trace(SAMPLE);
}

suite('provenance of each byte', () => {
  test('the whole of a usual identity', () => {
    assert.deepEqual(
      trace(
        'spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}',
      ),
      [
        { text: 'spiffe://', from: 'operator' },
        { text: 'example.org', from: 'operator', source: '.TrustDomain' },
        { text: '/ns/', from: 'operator' },
        { text: 'team-a', from: 'api', source: '.PodMeta.Namespace' },
        { text: '/sa/', from: 'operator' },
        { text: 'sa-web', from: 'author', source: '.PodSpec.ServiceAccountName' },
      ],
    );
  });

  for (const [source, from] of [
    ['{{ .ClusterName }}', 'operator'],
    ['{{ .PodMeta.UID }}', 'api'],
    ['{{ .PodMeta.CreationTimestamp }}', 'api'],
    ['{{ .PodMeta.GetNamespace }}', 'api'],
    ['{{ .PodMeta.Name }}', 'author'],
    ['{{ .PodMeta.Labels.app }}', 'author'],
    ['{{ (index .PodMeta.OwnerReferences 0).Name }}', 'author'],
    ['{{ .PodMeta.Annotations.note }}', 'node'],
    ['{{ .NodeMeta.Name }}', 'node'],
    ['{{ .NodeSpec.ProviderID }}', 'node'],
    ['{{ .PodMeta.Labels.none }}', 'author'],
  ] as const) {
    test(`${source} is ${from}'s`, () => assert.equal(trace(source)[0]?.from, from));
  }

  test('a key is where it was read', () => {
    assert.equal(trace('{{ index .PodMeta.Labels "app" }}')[0]?.source, '.PodMeta.Labels["app"]');
    assert.equal(
      trace('{{ (index .PodSpec.Containers 1).Name }}')[0]?.source,
      '.PodSpec.Containers[1].Name',
    );
  });

  test('what is computed from several is the weakest of them', () => {
    const runs = trace('{{ printf "%s-%s" .PodMeta.Namespace .PodMeta.Labels.app }}');
    assert.deepEqual(runs, [
      { text: 'team-a-web', from: 'author', source: '.PodMeta.Labels["app"]' },
    ]);
    assert.equal(
      trace('{{ index .PodMeta.Labels .PodMeta.Annotations.note }}x')[0]?.from,
      'operator',
    );
    assert.equal(
      trace('{{ print .PodMeta.Labels.app .PodMeta.Annotations.note }}')[0]?.from,
      'node',
    );
    assert.equal(trace('{{ len .PodMeta.Name }}')[0]?.from, 'author');
  });

  test('a variable keeps its origin', () => {
    assert.equal(trace('{{ $x := .PodMeta.Annotations.note }}{{ $x }}')[0]?.from, 'node');
  });
});

suite('who chose that a byte appears', () => {
  for (const [source, chosenBy] of [
    ['{{ if eq .PodMeta.Labels.app "web" }}admin{{ end }}', 'author'],
    ['{{ if eq .PodMeta.Labels.app "x" }}x{{ else }}admin{{ end }}', 'author'],
    ['{{ if .PodMeta.Annotations.note }}admin{{ end }}', 'node'],
    ['{{ if eq .PodMeta.Namespace "team-a" }}admin{{ end }}', 'api'],
    ['{{ if .TrustDomain }}admin{{ end }}', undefined],
    ['{{ with .PodMeta.Labels.app }}admin{{ end }}', 'author'],
    ['{{ range .PodSpec.Containers }}admin{{ break }}{{ end }}', 'author'],
    ['{{ and .PodMeta.Labels.app "admin" }}', 'author'],
    ['{{ $x := "" }}{{ if .PodMeta.Labels.app }}{{ $x = "admin" }}{{ end }}{{ $x }}', 'author'],
    ['{{ $x := "admin" }}{{ if .PodMeta.Labels.none }}{{ $x = "" }}{{ end }}{{ $x }}', 'author'],
    [
      '{{ define "a" }}{{ if . }}admin{{ end }}{{ end }}{{ template "a" .PodMeta.Labels.app }}',
      'author',
    ],
    ['{{ range 1 }}{{ if $.PodMeta.Labels.none }}{{ break }}{{ end }}admin{{ end }}', 'author'],
  ] as const) {
    test(source, () => {
      const [run] = trace(source);
      assert.equal(run?.text, 'admin');
      assert.equal(run.from, 'operator');
      assert.equal(run.chosenBy, chosenBy);
    });
  }

  test('after the end of a branch nobody chooses any more', () => {
    const runs = trace('{{ if .PodMeta.Labels.app }}a{{ end }}b');
    assert.deepEqual(runs, [
      { text: 'a', from: 'operator', chosenBy: 'author' },
      { text: 'b', from: 'operator' },
    ]);
  });
});
