// Parsing and rendering, rule by rule; test/conformance/template compares far more with Go itself.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parseTemplate, type TemplateData } from '../../../src/template/template.ts';
import { BARE, SAMPLE } from './sample-data.ts';

function render(source: string, data: TemplateData = SAMPLE): string {
  return parseTemplate('id', source).render(data);
}

function rejects(source: string, message: RegExp): void {
  assert.throws(() => parseTemplate('id', source), {
    name: 'CodedError',
    code: 'invalid-argument',
    message,
  });
}

function fails(source: string, message: RegExp, data: TemplateData = SAMPLE): void {
  const template = parseTemplate('id', source);
  const expected = {
    name: 'CodedError',
    code: 'invalid-argument',
    reason: 'RenderFailed',
    message,
  };
  assert.throws(() => template.render(data), expected);
  assert.throws(() => template.trace(data), expected);
}

suite('A1: what does not parse is refused with its line and cause', () => {
  for (const [source, message] of [
    ['{{', /^id: line 1: unclosed action/],
    ['a\n{{ }}', /^id: line 2: missing value for command/],
    ['\n\n{{ if true }}', /^id: line 3: unexpected end of template/],
    ['\n{{ end }}', /^id: line 2: unexpected \{\{end\}\}/],
    ['{{ nosuch . }}', /^id: line 1: function "nosuch" not defined/],
    ['\n{{ $x }}', /^id: line 2: undefined variable "\$x"/],
    ['{{ "a }}', /^id: line 1: unterminated string/],
    ['{{/* a', /^id: line 1: unclosed comment/],
    ['{{ (1 }}', /^id: line 1: unclosed left paren/],
    ['{{ 1) }}', /^id: line 1: unexpected right paren/],
    ['{{ 09 }}', /^id: line 1: illegal number syntax "09"/],
    ['{{ break }}', /^id: line 1: \{\{break\}\} outside \{\{range\}\}/],
    ['{{ 1 | 2 }}', /^id: line 1: non executable command in pipeline stage 2/],
    ['{{ define "a" }}1{{ end }}{{ define "a" }}2{{ end }}', /multiple definition of template "a"/],
    ['{{ if true }}'.repeat(40), /blocks nest deeper than 32/],
    [`{{ ${'('.repeat(40)}1${')'.repeat(40)} }}`, /parentheses nest deeper than 32/],
    [`{{ 1${'1'.repeat(60_000)} }}`, /^id: line 1: integer overflow "1{100,200}$/],
    ['x'.repeat(70_000), /longer than 65536 characters/],
  ] as const) {
    test(JSON.stringify(source.slice(0, 40)), () => rejects(source, message));
  }
});

suite('E1: each function', () => {
  for (const [source, expected] of [
    ['{{ and 1 0 }}{{ and 1 2 }}{{ or "" 3 }}{{ or 0 "" }}|{{ not 0 }}', '023|true'],
    ['{{ and false (index .PodMeta.OwnerReferences 9) }}', 'false'],
    [
      '{{ eq 1 2 1 }}{{ ne "a" "b" }}{{ lt 1 2 }}{{ le 2 1 }}{{ gt 2 1 }}{{ ge 1 2 }}',
      'truetruetruefalsetruefalse',
    ],
    ['{{ index .PodMeta.Labels "app" }}{{ (index .PodSpec.Containers 1).Name }}', 'webside'],
    ['{{ len .PodMeta.Labels }}{{ len "é" }}', '62'],
    ['{{ slice .PodMeta.Name 0 3 }}', 'web'],
    ['{{ print 1 2 "a" }}{{ println "b" 3 }}', '1 2ab 3\n'],
    ['{{ printf "%s-%05d-%q-%v" "a" 7 "b" true }}', 'a-00007-"b"-true'],
    [
      '{{ html "<a&\'\\"" }}{{ js "<\'" }}{{ urlquery "a b/é" }}',
      "&lt;a&amp;&#39;&#34;\\u003C\\'a+b%2F%C3%A9",
    ],
  ] as const) {
    test(source, () => assert.equal(render(source), expected));
  }

  test('call: nothing in the data is a function', () => {
    fails('{{ call .PodMeta.Name }}', /call of a string, which is no function/);
    fails('{{ call nil }}', /call of nil/);
  });

  test('what Go prints as an address, or as a whole object, is refused', () => {
    fails('{{ . }}', /printing a whole signet.Data is refused/);
    fails('{{ print .PodMeta }}', /printing a whole v1.ObjectMeta is refused/);
    fails('{{ printf "%p" .PodMeta.Labels }}', /printing the address of a map/);
  });
});

suite('actions', () => {
  for (const [source, expected] of [
    ['{{ if false }}a{{ else if .PodSpec.HostNetwork }}b{{ else }}c{{ end }}', 'b'],
    ['{{ with .PodMeta.Labels.app }}{{ . }}{{ $.PodMeta.Name }}{{ end }}', 'webweb-0'],
    ['{{ with .PodMeta.Labels.none }}a{{ else with .PodMeta.UID }}{{ . }}{{ end }}', 'u-1'],
    ['{{ range $i, $c := .PodSpec.Containers }}{{ $i }}{{ $c.Name }},{{ end }}', '0main,1side,'],
    ['{{ range .PodSpec.InitContainers }}a{{ else }}none{{ end }}', 'none'],
    [
      '{{ range 9 }}{{ if eq . 1 }}{{ continue }}{{ end }}{{ if eq . 3 }}{{ break }}{{ end }}{{ . }}{{ end }}',
      '02',
    ],
    ['{{ define "a" }}[{{ . }}]{{ end }}{{ template "a" .ClusterName }}', '[c1]'],
    ['{{ block "a" .PodMeta }}{{ .Name }}{{ end }}', 'web-0'],
    ['{{ $x := "a" }}{{ if true }}{{ $x = "b" }}{{ end }}{{ $x }}', 'b'],
    ['a {{- /* no */ -}} b {{- 1 }} c', 'ab1 c'],
    ['{{ "app" | index .PodMeta.Labels | printf "%q" }}', '"web"'],
  ] as const) {
    test(source, () => assert.equal(render(source), expected));
  }
});

suite('E3: Go names, zero values and nil', () => {
  test('E5: a label that is not there is <no value> by dot and empty by index', () => {
    assert.equal(render('{{ .PodMeta.Labels.none }}'), '<no value>');
    assert.equal(render('{{ index .PodMeta.Labels "none" }}'), '');
    assert.equal(render('{{ .PodMeta.Labels.none }}', BARE), '<no value>');
    assert.equal(render('{{ .PodMeta.Labels.empty }}'), '');
  });

  for (const key of ['constructor', 'toString', '__proto__', 'hasOwnProperty', 'valueOf']) {
    test(`a label ${key} is only there when it is the pod's own`, () => {
      const own = { constructor: 'made', toString: 'text', __proto__: 'proto' } as const;
      const expected = new Map([...Object.entries(own), ['__proto__', 'proto']]).get(key);
      assert.equal(render(`{{ .PodMeta.Labels.${key} }}`), expected ?? '<no value>');
      assert.equal(render(`{{ index .PodMeta.Labels "${key}" }}`), expected ?? '');
      assert.equal(render(`{{ .PodMeta.Labels.${key} }}`, BARE), '<no value>');
      assert.equal(render(`{{ with .PodMeta }}{{ .Labels.${key} }}{{ end }}`, BARE), '<no value>');
    });
  }

  test('absent fields are zero', () => {
    assert.equal(
      render('{{ .PodMeta.Name }}|{{ .PodSpec.HostNetwork }}|{{ .PodMeta.Generation }}', BARE),
      '|false|0',
    );
    assert.equal(
      render('{{ .PodSpec.Priority }}{{ .PodMeta.Labels }}{{ .PodMeta.DeletionTimestamp }}', BARE),
      '<nil>map[]<nil>',
    );
    assert.equal(render('{{ .PodMeta.CreationTimestamp }}', BARE), '0001-01-01 00:00:00 +0000 UTC');
  });

  test('E2, E6: no pod or node is a nil pointer', () => {
    assert.equal(render('{{ if .NodeMeta }}a{{ else }}b{{ end }}', BARE), 'b');
    fails('{{ .NodeMeta.Name }}', /nil pointer evaluating \*v1.ObjectMeta.Name/, BARE);
    fails('{{ .PodSpec.NodeName }}', /nil pointer/, { ...SAMPLE, pod: undefined } as never);
  });

  test('getters and methods of times', () => {
    assert.equal(render('{{ .PodMeta.GetName }}/{{ .PodMeta.GetLabels.app }}'), 'web-0/web');
    assert.equal(render('{{ .PodMeta.CreationTimestamp.Unix }}'), '1772683506');
    assert.equal(render('{{ .PodMeta.CreationTimestamp.Format "2006-01-02" }}'), '2026-03-05');
  });

  test('a failure names the template, the line and the action', () => {
    fails('a\n{{ .PodMeta.namespace }}', /^id: line 2: \.PodMeta\.namespace: no field or method/);
    fails('{{ template "x" }}', /^id: line 1: template: template "x" is not defined/);
    fails('{{ index .PodMeta.OwnerReferences 7 }}', /index out of range: 7/);
  });

  test('JSON of another type than the API has is refused, not printed', () => {
    const data = { ...SAMPLE, pod: { metadata: { name: 7, labels: { a: { b: 'c' } } }, spec: {} } };
    fails('{{ .PodMeta.Name }}', /\.PodMeta\.Name is not JSON for a string/, data);
    fails('{{ .PodMeta.Labels.a }}', /is not JSON for a string/, data);
  });
});

suite('fields: what the pod store must keep', () => {
  for (const [source, expected] of [
    ['text', []],
    ['{{ .TrustDomain }}{{ .PodMeta.Labels.app }}', ['PodMeta.Labels', 'TrustDomain']],
    ['{{ index .PodMeta.Labels "a" }}{{ .PodMeta.GetName }}', ['PodMeta.Labels', 'PodMeta.Name']],
    ['{{ with .PodMeta }}{{ .UID }}{{ end }}', ['PodMeta.UID']],
    ['{{ $p := .PodSpec }}{{ $p.NodeName }}', ['PodSpec.NodeName']],
    [
      '{{ range .PodSpec.Containers }}{{ .Name }}{{ $.PodMeta.Name }}{{ end }}',
      ['PodMeta.Name', 'PodSpec.Containers'],
    ],
    ['{{ define "a" }}{{ .Name }}{{ end }}{{ template "a" .NodeMeta }}', ['NodeMeta.Name']],
    [
      '{{ define "a" }}{{ with .NodeMeta }}{{ template "b" . }}{{ end }}{{ end }}{{ define "b" }}{{ .UID }}{{ end }}{{ template "a" . }}',
      ['NodeMeta.UID'],
    ],
    ['{{ .PodSpec.SecurityContext.RunAsUser }}', ['PodSpec.SecurityContext.RunAsUser']],
    ['{{ with .PodSpec.SecurityContext }}{{ .RunAsUser }}{{ end }}', ['PodSpec.SecurityContext']],
    ['{{ print .PodMeta }}', ['PodMeta']],
    ['{{ (or .PodMeta .NodeMeta).Name }}', ['NodeMeta.Name', 'PodMeta.Name']],
    [
      '{{ $x := .PodMeta }}{{ range 2 }}{{ $x.Name }}{{ $x = $.NodeMeta }}{{ end }}',
      ['NodeMeta.Name', 'PodMeta.Name'],
    ],
    ['{{ .PodMeta.CreationTimestamp.Unix }}', ['PodMeta.CreationTimestamp']],
  ] as const) {
    test(source, () =>
      assert.deepEqual([...parseTemplate('id', source).fields].toSorted(), expected),
    );
  }
});
