// Who may do what: the table, the document and the rendered roles are one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RBAC_TABLE, type Rule } from '../../../scripts/chart/rbac-table.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { at, listAt, NEEDS_HELM, render, textAt } from './rendered.ts';

const ALL = [
  'bundle.namespaces=true',
  'bundle.clusterTrustBundle=true',
  'federation.bundleEndpoint.enabled=true',
];
/** What is told at the installation. */
const KNOWN: readonly (readonly [string, string])[] = [
  ['<driver name>', 'csi.spiffe.io'],
  ['<trust domain>', 'example.org'],
];

type Right = Pick<Rule, 'scope' | 'group' | 'resources' | 'verbs'> & {
  readonly account: string;
  readonly names: readonly string[];
};

function expected(rules: readonly Rule[]): readonly Right[] {
  return rules.map(({ component, scope, group, resources, names = [], verbs }) => ({
    account: `signet-${component}`,
    scope,
    group,
    resources,
    names: names.map((name) => KNOWN.reduce((text, [from, to]) => text.replace(from, to), name)),
    verbs,
  }));
}

function rendered(objects: readonly JsonObject[]): readonly Right[] {
  const bindings = objects.filter((each) => /^(?:Cluster)?RoleBinding$/.test(textAt(each, 'kind')));
  return bindings.flatMap((binding) => {
    const kind = at(binding, 'roleRef', 'kind');
    const role = objects.find(
      (each) =>
        each['kind'] === kind && at(each, 'metadata', 'name') === at(binding, 'roleRef', 'name'),
    );
    const accounts = listAt(binding, 'subjects').map((subject) => {
      assert.deepEqual([subject['kind'], subject['namespace']], ['ServiceAccount', 'signet']);
      return textAt(subject, 'name');
    });
    return accounts.flatMap((account) =>
      listAt(role, 'rules').map((rule): Right => {
        const texts = (key: string) => (rule[key] ?? []) as string[];
        const scope = kind === 'ClusterRole' ? 'cluster' : 'own';
        const names = texts('resourceNames');
        const [group = ''] = texts('apiGroups');
        return {
          account,
          scope,
          group,
          resources: texts('resources'),
          names,
          verbs: texts('verbs'),
        };
      }),
    );
  });
}

const sorted = (rights: readonly Right[]) =>
  rights
    .map(({ account, scope, group, resources, names, verbs }) =>
      JSON.stringify([account, scope, group, resources, names, verbs]),
    )
    .toSorted();

test('rendered roles grant what the table says, and nothing else', NEEDS_HELM, () => {
  assert.deepEqual(sorted(rendered(render(...ALL))), sorted(expected(RBAC_TABLE)));
});

test('what is optional is not granted unless asked for', NEEDS_HELM, () => {
  const always = RBAC_TABLE.filter(({ when }) => when === undefined);
  assert.deepEqual(sorted(rendered(render())), sorted(expected(always)));
});

test('nobody may list Secrets, reads any without its name, or reads one in another namespace', () => {
  const secrets = RBAC_TABLE.filter(({ resources }) => resources.includes('secrets'));
  assert.ok(secrets.length > 0);
  for (const { scope, names = [], verbs, why } of secrets) {
    assert.equal(scope, 'own', why);
    if (names.length === 0) assert.deepEqual(verbs, ['create'], why);
    for (const verb of ['list', 'watch']) assert.ok(!verbs.includes(verb), why);
  }
});

test('nobody may read the key of the standby root', () => {
  for (const { names = [] } of RBAC_TABLE) assert.ok(!names.includes('signet-standby-root-key'));
});

test('only the issuer and the authority job get to signing keys', () => {
  const readers = RBAC_TABLE.filter(({ names = [] }) =>
    names.some((name) =>
      ['signet-root-key', 'signet-serving-keys', 'signet-issuing-keys'].includes(name),
    ),
  );
  assert.deepEqual(
    new Set(readers.map(({ component }) => component)),
    new Set(['issuer', 'authority']),
  );
  const root = readers.filter(({ names = [] }) => names.includes('signet-root-key'));
  assert.deepEqual(
    root.map(({ component }) => component),
    ['authority'],
  );
});

test('no right is a wildcard, gets into pods, or raises other rights', () => {
  const never = ['*', 'pods/exec', 'pods/attach', 'pods/ephemeralcontainers', 'nodes/proxy'];
  const verbs = ['*', 'impersonate', 'escalate', 'bind', 'delete', 'deletecollection'];
  for (const rule of RBAC_TABLE) {
    assert.ok(!rule.resources.some((each) => never.includes(each)), rule.why);
    assert.ok(!rule.verbs.some((each) => verbs.includes(each)), rule.why);
    assert.notEqual(rule.group, '*');
  }
});
