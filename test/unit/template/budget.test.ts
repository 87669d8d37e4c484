// No template can take more than its share, however it is written.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parseTemplate } from '../../../src/template/template.ts';
import { SAMPLE } from './sample-data.ts';

const DOUBLING = '{{ $x = print $x $x }}';

suite('budgets', () => {
  for (const [name, source, message] of [
    [
      'a variable that doubles',
      `{{ $x := "aaaaaaaa" }}${DOUBLING.repeat(40)}`,
      /more than 65536 bytes of text made/,
    ],
    [
      'a variable that doubles in a range',
      `{{ $x := "a" }}{{ range 99 }}${DOUBLING}{{ end }}`,
      /more than 65536 bytes/,
    ],
    ['a range over 1e9', '{{ range 1000000000 }}{{ end }}', /more than 10000 steps/],
    [
      'a range that writes',
      '{{ range 1000000000 }}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{{ end }}',
      /more than/,
    ],
    [
      'ranges in ranges',
      '{{ range 999 }}{{ range 999 }}{{ range 999 }}{{ end }}{{ end }}{{ end }}',
      /more than 10000 steps/,
    ],
    [
      'recursion',
      '{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}',
      /deeper than 16/,
    ],
    [
      'recursion that branches',
      '{{ define "a" }}{{ template "b" . }}{{ template "b" . }}{{ end }}{{ define "b" }}{{ template "a" . }}{{ end }}{{ template "a" . }}',
      /deeper than 16/,
    ],
    ['printf width', '{{ printf "%999d" 1 }}', /printf width or precision 999 is more than 256/],
    ['printf width by argument', '{{ printf "%*d" 100000 1 }}', /more than 256/],
    ['printf precision', '{{ printf "%.999f" 1.5 }}', /more than 256/],
    [
      'html of much',
      `{{ $x := "<<<<<<<<" }}${DOUBLING.repeat(10)}{{ len (html (html (html (html $x)))) }}`,
      /more than 65536 bytes/,
    ],
    [
      'comparing much',
      `{{ $x := printf "%256d" 1 }}${DOUBLING.repeat(6)}{{ range 9999 }}{{ if eq $x $x }}{{ end }}{{ end }}`,
      /more than 10000 steps/,
    ],
  ] as const) {
    test(name, () => {
      const template = parseTemplate('id', source);
      const start = performance.now();
      const expected = { code: 'invalid-argument', reason: 'RenderFailed', message };
      assert.throws(() => template.render(SAMPLE), expected);
      assert.throws(() => template.trace(SAMPLE), expected);
      assert.ok(performance.now() - start < 5_000, 'it was stopped while it ran');
    });
  }

  test('a template of one literal as long as the budget is whole, one longer is refused', () => {
    const data = { ...SAMPLE, clusterName: 'x'.repeat(65_535) };
    assert.equal(parseTemplate('id', 'y{{ .ClusterName }}').render(data).length, 65_536);
    assert.throws(
      () => parseTemplate('id', 'yy{{ .ClusterName }}').render(data),
      /more than 65536/,
    );
  });

  test('sixteen templates deep is allowed', () => {
    const defined = Array.from(
      { length: 16 },
      (_, at) => `{{ define "t${at}" }}{{ template "t${at + 1}" }}{{ end }}`,
    );
    const source = `${defined.slice(0, 15).join('')}{{ define "t15" }}x{{ end }}{{ template "t0" }}`;
    assert.equal(parseTemplate('id', source).render(SAMPLE), 'x');
  });
});
