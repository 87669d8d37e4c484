// The policies that inject without a webhook, held against the decisions themselves.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { injectionPolicies } from '../../../src/webhook/injection-policy.ts';
import { injectionTable } from '../../../src/webhook/injection-table.ts';
import { OPT_IN_ENTRIES } from '../../../src/webhook/opt-in-entries.ts';
import { all, type Condition, find, type Selector } from './configuration-fixtures.ts';
import { settings } from './pod-fixtures.ts';

suite('the policies that inject without a webhook', () => {
  type Policy = {
    readonly kind: string;
    readonly metadata: { readonly name: string };
    readonly spec: {
      readonly policyName?: string;
      readonly reinvocationPolicy: string;
      readonly failurePolicy: string;
      readonly matchConstraints: {
        readonly namespaceSelector: Selector;
        readonly objectSelector: Selector;
      };
      readonly matchConditions: readonly Condition[];
      readonly variables: readonly Condition[];
      readonly mutations: readonly {
        readonly patchType: string;
        readonly applyConfiguration: { readonly expression: string };
      }[];
    };
  };
  const objects = injectionPolicies('signet', settings) as unknown as readonly Policy[];
  const policies = objects.filter(({ kind }) => kind === 'MutatingAdmissionPolicy');
  const expressionsOf = ({ spec }: Policy) => [
    ...spec.matchConditions.map(({ expression }) => expression),
    ...spec.variables.map(({ expression }) => expression),
    ...spec.mutations.map(({ applyConfiguration }) => applyConfiguration.expression),
  ];

  test('are one for each way to opt in, with a binding, and the same selectors', () => {
    assert.equal(policies.length, OPT_IN_ENTRIES.length);
    for (const { metadata, spec } of policies) {
      const binding = objects.find(({ spec }) => spec.policyName === metadata.name);
      assert.equal(binding?.kind, 'MutatingAdmissionPolicyBinding');
      const entry = find(`${metadata.name.replace('signet-inject-', '')}.inject.signet.dev`);
      assert.deepEqual(spec.matchConstraints.namespaceSelector, entry.namespaceSelector);
      assert.deepEqual(spec.matchConstraints.objectSelector, entry.objectSelector);
      assert.deepEqual([spec.failurePolicy, spec.reinvocationPolicy], ['Fail', 'IfNeeded']);
      for (const condition of entry.matchConditions ?? []) {
        assert.ok(
          spec.matchConditions.some(({ expression }) => expression === condition.expression),
        );
      }
    }
  });

  test('add what the injection table says', () => {
    const { annotation, volume, mount, env, files } = injectionTable(settings.driverName);
    for (const policy of policies) {
      const [mutation] = policy.spec.mutations;
      assert.equal(mutation?.patchType, 'ApplyConfiguration');
      const text = mutation?.applyConfiguration.expression ?? '';
      for (const part of [
        `annotations: {"${annotation.name}": "${annotation.value}"}`,
        `name: "${volume.name}"`,
        `csi: Object.spec.volumes.csi{driver: "${settings.driverName}", readOnly: true, `,
        'emptyDir: Object.spec.volumes.emptyDir{medium: "Memory", sizeLimit: "1Mi"}',
        `mountPath: "${files.mount.mountPath}", readOnly: true`,
        `mountPath: "${mount.mountPath}", readOnly: true`,
        `name: "${env.name}", value: "${env.value}"`,
      ]) {
        assert.ok(text.includes(part), part);
      }
      const attributes = policy.spec.variables.find(({ name }) => name === 'attributes');
      for (const name of files.annotations) {
        assert.ok(attributes?.expression.includes(`?"${name}": `), name);
      }
    }
  });

  test('use only variables that come before', () => {
    for (const { spec } of policies) {
      const known = new Set<string>();
      for (const { name, expression } of spec.variables) {
        for (const used of usedIn(expression)) assert.ok(known.has(used), `${used} in ${name}`);
        known.add(name);
      }
      for (const { applyConfiguration } of spec.mutations) {
        for (const used of usedIn(applyConfiguration.expression)) assert.ok(known.has(used), used);
      }
    }
  });

  test('and all conditions have their brackets and quotes in pairs', () => {
    const texts = [
      ...policies.flatMap(expressionsOf),
      ...all.flatMap(({ matchConditions = [] }) => matchConditions.map((each) => each.expression)),
    ];
    assert.ok(texts.length > 20);
    for (const text of texts) assert.equal(unpaired(text), '', text);
  });

  function usedIn(text: string): readonly string[] {
    return [...text.matchAll(/variables\.(\w+)/g)].map(([, name = '']) => name);
  }

  function unpaired(text: string): string {
    let rest = text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '').replaceAll(/[^()[\]{}"]/g, '');
    for (let before = ''; before !== rest; ) {
      before = rest;
      rest = rest.replaceAll(/\(\)|\[\]|\{\}/g, '');
    }
    return rest;
  }

  test('a driver name cannot leave its string', () => {
    const odd = { ...settings, driverName: 'a" || true || "\\' };
    for (const policy of injectionPolicies('signet', odd) as unknown as readonly Policy[]) {
      if (policy.kind !== 'MutatingAdmissionPolicy') continue;
      for (const text of expressionsOf(policy)) assert.equal(unpaired(text), '', text);
    }
  });
});
