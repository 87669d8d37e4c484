// Policies' templates: parsed, rendered and traced within their budget, and both ways alike.

import assert from 'node:assert/strict';
import { MAX_BYTES } from '../../../src/template/budget.ts';
import { parseTemplate, type Template, type TemplateData } from '../../../src/template/template.ts';
import { BARE, SAMPLE } from '../../unit/template/sample-data.ts';
import { accepted, type FuzzTarget, textOf } from '../fuzz-target.ts';

export const TEMPLATE: FuzzTarget = {
  name: 'template',
  dictionary: [
    '{{',
    '}}',
    '{{- ',
    ' -}}',
    '{{ if ',
    '{{ else if ',
    '{{ else }}',
    '{{ end }}',
    '{{ range ',
    '{{ range $i, $x := ',
    '{{ with ',
    '{{ define "d" }}',
    '{{ template "d" . }}',
    '{{ block "b" . }}',
    '{{ break }}',
    '{{ continue }}',
    '.TrustDomain',
    '.PodMeta.Labels',
    '.PodMeta.Labels.app',
    '.PodMeta.Annotations',
    '.PodMeta.CreationTimestamp',
    '.PodMeta.OwnerReferences',
    '.PodSpec.Containers',
    '.NodeMeta.Name',
    'index ',
    'slice ',
    'printf ',
    '"%[3]*.[2]*[1]f"',
    '"%#v"',
    'print ',
    'println ',
    'len ',
    'eq ',
    'lt ',
    'and ',
    'or ',
    'not ',
    'html ',
    'js ',
    'urlquery ',
    'call ',
    '$x := ',
    '$x = ',
    '$',
    '|',
    '(',
    ')',
    'nil',
    '1e3',
    '0x1p-2',
    "'a'",
    '`raw`',
    '/* c */',
    '1000000000',
  ],
  maxBytes: 8192,
  run: (input) => {
    const source = textOf(input);
    const template = accepted(() => parseTemplate('t', source));
    if (template === undefined) return;
    check(template, SAMPLE);
    check(template, BARE);
  },
};

function check(template: Template, data: TemplateData): void {
  const rendered = accepted(() => template.render(data));
  const traced = accepted(() => template.trace(data));
  assert.equal(traced?.map(({ text }) => text).join(''), rendered, template.source);
  if (rendered !== undefined) assert.ok(Buffer.byteLength(rendered) <= MAX_BYTES);
}
