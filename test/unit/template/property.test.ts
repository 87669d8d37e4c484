// Whatever the template and the labels, the outcome is a text or a CodedError, and the runs of a
// trace are the text.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { CodedError } from '../../../src/base/errors.ts';
import { parseTemplate, type TemplateData } from '../../../src/template/template.ts';
import { SAMPLE } from './sample-data.ts';

const piece = fc.constantFrom(
  '{{ ',
  ' }}',
  '{{- ',
  ' -}}',
  '{{',
  '}}',
  ' ',
  '/',
  'a',
  '\n',
  '"x"',
  '`y`',
  "'z'",
  '|',
  '(',
  ')',
  'if ',
  'else ',
  'end',
  'range ',
  'with ',
  'define "d"',
  'template "d" ',
  'block "b" ',
  'break',
  '.',
  '$',
  '$x',
  ' := ',
  ' = ',
  ',',
  '1',
  '-1',
  '0x',
  '1e9',
  '.5',
  'nil',
  'true',
  '/*',
  '*/',
  '.PodMeta',
  '.PodMeta.Labels',
  '.Name',
  '.PodSpec.Containers',
  '.PodMeta.Labels.app',
  '.TrustDomain',
  'print ',
  'printf "%v" ',
  'printf "%*[1]d%" ',
  'len ',
  'index ',
  'slice ',
  'eq ',
  'lt ',
  'and ',
  'html ',
  '.PodMeta.CreationTimestamp',
  '.Unix',
  '.PodMeta.OwnerReferences',
  '\\xff',
  '\ud800',
  '🙂',
);
const source = fc.oneof(
  fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join('')),
  fc
    .array(
      fc.array(piece, { maxLength: 6 }).map((pieces) => `{{ ${pieces.join(' ')} }}`),
      { maxLength: 5 },
    )
    .map((actions) => actions.join('/')),
  fc.string({ unit: 'binary', maxLength: 40 }),
);
const json = fc.jsonValue({ maxDepth: 3 }).map((value) => value as never);
const data: fc.Arbitrary<TemplateData> = fc.oneof(
  fc.constant(SAMPLE),
  fc
    .dictionary(fc.constantFrom('app', '__proto__', 'x', ''), fc.string({ unit: 'binary' }))
    .map((labels) => ({
      ...SAMPLE,
      pod: { metadata: { name: 'n', labels }, spec: {} },
    })),
  fc
    .record({
      metadata: fc.record({ name: json, labels: json, ownerReferences: json }),
      spec: fc.record({ containers: json }),
    })
    .map((pod) => ({ ...SAMPLE, pod })),
);

function outcome(work: () => string): string | CodedError {
  try {
    return work();
  } catch (thrown) {
    if (thrown instanceof CodedError && thrown.code === 'invalid-argument') return thrown;
    throw thrown;
  }
}

test('a template gives a text or a CodedError, and its trace is that text', () => {
  fc.assert(
    fc.property(source, data, (text, given) => {
      const parsed = outcome(() => {
        parseTemplate('t', text);
        return '';
      });
      if (parsed instanceof CodedError) return;
      const template = parseTemplate('t', text);
      const rendered = outcome(() => template.render(given));
      const traced = outcome(() =>
        template
          .trace(given)
          .map((run) => run.text)
          .join(''),
      );
      if (rendered instanceof CodedError) {
        assert.ok(traced instanceof CodedError);
        assert.equal(traced.message, rendered.message);
        assert.equal(rendered.reason, 'RenderFailed');
      } else {
        assert.equal(traced, rendered);
        assert.ok(rendered.isWellFormed());
      }
    }),
    { numRuns: 3000 },
  );
});

test('the short way for plain fields gives what the evaluator gives', () => {
  const path = fc.constantFrom(
    'TrustDomain',
    'PodMeta.Name',
    'PodMeta.UID',
    'PodMeta.Labels.app',
    'PodMeta.Labels.__proto__',
    'PodMeta.Labels.x',
    'PodMeta.Annotations.a',
    'PodSpec.NodeName',
    'NodeMeta.Name',
    'NodeSpec.ProviderID',
  );
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('\ud800', '\udc80', 'é'),
    json,
  );
  const pod = fc.record({
    metadata: fc.record(
      {
        name: value,
        uid: value,
        labels: fc.oneof(json, fc.dictionary(fc.constantFrom('app', 'x'), value)),
      },
      { requiredKeys: [] },
    ),
    spec: fc.record({ nodeName: value }, { requiredKeys: [] }),
  });
  fc.assert(
    fc.property(
      fc.array(path, { maxLength: 4 }),
      fc.option(pod, { nil: undefined }),
      (paths, given) => {
        const { pod: _pod, node: _node, ...names } = SAMPLE;
        const data = given === undefined ? names : { ...names, pod: given };
        const plain = parseTemplate('t', paths.map((each) => `{{ .${each} }}`).join('/'));
        const evaluated = outcome(() =>
          plain
            .trace(data)
            .map((run) => run.text)
            .join(''),
        );
        const rendered = outcome(() => plain.render(data));
        assert.deepEqual(String(rendered), String(evaluated));
      },
    ),
    { numRuns: 2000 },
  );
});
