// What may be set, what must be, and what is written from elsewhere.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse as parseYaml } from 'yaml';
import { helmLint, helmTemplate } from '../../../scripts/chart/helm.ts';
import { withValuesTable } from '../../../scripts/chart/values-table.ts';
import { generatedFiles } from '../../../scripts/generate-chart.ts';
import { installManifest } from '../../../scripts/generate-chart-install.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { VERSION } from '../../../src/version.ts';
import { at, HELM, listAt, NEEDS_HELM, named, podSpecs, render, textAt } from './rendered.ts';

const ROOT = join(import.meta.dirname, '../../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const VALUES = parseYaml(read('charts/signet/values.yaml')) as JsonObject;
const SCHEMA = JSON.parse(read('charts/signet/values.schema.json')) as JsonObject;
const MAX_LINES = 200;

test('what is generated is in step with what it is generated from', () => {
  for (const [path, text] of generatedFiles()) assert.equal(read(path), text, path);
});

test('manifests/install.yaml is the chart', NEEDS_HELM, () => {
  assert.equal(read('manifests/install.yaml'), installManifest(HELM));
});

test('the chart has the version of the program', () => {
  const chart = parseYaml(read('charts/signet/Chart.yaml')) as JsonObject;
  assert.deepEqual([chart['version'], chart['appVersion']], [VERSION, VERSION]);
});

test('every value is in the schema, which knows no others', () => {
  const visit = (values: JsonObject, schema: JsonObject, path: string): void => {
    const properties = at(schema, 'properties') as JsonObject;
    assert.equal(schema['additionalProperties'], false, path);
    for (const [name, value] of Object.entries(values)) {
      const known = properties[name] as JsonObject | undefined;
      assert.ok(known, `${path}${name}`);
      const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
      if (isMap && known['properties'] !== undefined) {
        visit(value as JsonObject, known, `${path}${name}.`);
      }
    }
  };
  visit(VALUES, SCHEMA, '');
  assert.deepEqual(SCHEMA['required'], ['trustDomain']);
});

test('values are few, and each says what it is for', () => {
  const values = read('charts/signet/values.yaml');
  assert.ok(values.split('\n').length < MAX_LINES);
  const table = withValuesTable(read('docs/install.md'), values);
  assert.match(table, /\| `trustDomain` \| `""` \| \S/);
  assert.doesNotMatch(table, /^\| `[^`]+` \| .* \|\s*\|$/m);
});

const refused = (name: string, values: readonly string[], says: RegExp): void => {
  test(`refused: ${name}`, NEEDS_HELM, () => {
    assert.throws(() => helmTemplate(HELM, values), says);
  });
};
refused('no trust domain (row G1)', [], /trustDomain/);
refused('a trust domain in upper case', ['trustDomain=Example.org'], /trustDomain/);
refused('a value that is not known', ['trustDomain=a', 'issuer.replica=3'], /replica/);
refused('an injection that is not known', ['trustDomain=a', 'injection=maybe'], /injection/);
refused('no replica', ['trustDomain=a', 'issuer.replicas=0'], /replicas/);
refused('a relative kubelet root', ['trustDomain=a', 'kubeletRoot=kubelet'], /kubeletRoot/);

test('the chart has nothing that helm warns of', NEEDS_HELM, () => {
  assert.match(helmLint(HELM, ['trustDomain=example.org']), /0 chart\(s\) failed/);
});

test('processes get the values as flags', NEEDS_HELM, () => {
  const specs = podSpecs(
    render(
      'classNames={a,b}',
      'ignoreClassless=true',
      'profile=strict',
      'jwtClaims={agent_*,team}',
      'jwtIssuer=https://oidc.example.org',
      'node.extraArgs={--no-registration}',
    ),
  );
  const args = (name: string) => at(listAt(specs.get(name), 'containers')[0], 'args') as string[];
  const issuer = args('Deployment/signet-issuer');
  for (const flag of [
    '--class-name=a',
    '--class-name=b',
    '--ignore-classless',
    '--jwt-claim=agent_*',
    '--jwt-claim=team',
    '--profile=strict',
    '--jwt-issuer=https://oidc.example.org',
    '--audit-log=-',
  ]) {
    assert.ok(issuer.includes(flag), flag);
  }
  // Both must come to the same identities.
  const own = /^(?:issuer|controller|--audit-log=|--jwt-issuer=)/;
  const shared = (list: readonly string[]) => list.filter((flag) => !own.test(flag));
  assert.deepEqual(shared(args('Deployment/signet-controller')), shared(issuer));
  assert.ok(args('DaemonSet/signet-node').includes('--no-registration'));
});

test(
  'OpenID Connect documents: a Service, a port that is open, flags; nothing of it by default',
  NEEDS_HELM,
  () => {
    const names = (objects: readonly JsonObject[]) =>
      objects
        .filter(({ kind }) => kind === 'Service')
        .map((each) => textAt(each, 'metadata', 'name'));
    assert.ok(!names(render()).includes('signet-oidc'));
    const objects = render(
      'jwtIssuer=https://oidc.example.org',
      'oidc.enabled=true',
      'oidc.tlsSecret=oidc-tls',
      'oidc.hosts={internal.example.org}',
    );
    assert.ok(names(objects).includes('signet-oidc'));
    const spec = podSpecs(objects).get('Deployment/signet-controller');
    const [container] = listAt(spec, 'containers');
    const args = at(container, 'args') as string[];
    for (const flag of [
      '--jwt-issuer=https://oidc.example.org',
      '--oidc-host=signet-oidc.signet.svc',
      '--oidc-host=internal.example.org',
      '--oidc-tls-dir=/run/signet/oidc-tls',
    ]) {
      assert.ok(args.includes(flag), flag);
    }
    assert.ok(listAt(spec, 'volumes').some(({ name }) => name === 'oidc-tls'));
    const ingress = listAt(named(objects, 'NetworkPolicy', 'signet-controller'), 'spec', 'ingress');
    assert.match(JSON.stringify(ingress), /"port":"oidc"/);
  },
);
test(
  'other trust domains: an endpoint, its certificate, and where bundles are fetched',
  NEEDS_HELM,
  () => {
    const names = (objects: readonly JsonObject[]) =>
      objects.map((each) => textAt(each, 'metadata', 'name'));
    assert.ok(!names(render()).includes('signet-bundle-endpoint'));
    const argsOf = (objects: readonly JsonObject[]) => {
      const spec = at(
        named(objects, 'Deployment', 'signet-controller'),
        'spec',
        'template',
        'spec',
      );
      return { spec, args: listAt(spec, 'containers')[0]?.['args'] as readonly string[] };
    };
    const enabled = 'federation.bundleEndpoint.enabled=true';
    const spiffe = render(enabled, 'federation.allowCIDRs={10.1.0.0/16,fd00::/8}');
    assert.equal(names(spiffe).filter((name) => name === 'signet-bundle-endpoint').length, 2);
    for (const arg of [
      '--bundle-endpoint=https_spiffe',
      '--bundle-refresh-hint=5m',
      '--federation-allow-cidr=10.1.0.0/16',
      '--federation-allow-cidr=fd00::/8',
    ]) {
      assert.ok(argsOf(spiffe).args.includes(arg), arg);
    }
    const ingress = at(named(spiffe, 'NetworkPolicy', 'signet-controller'), 'spec', 'ingress');
    assert.match(JSON.stringify(ingress), /"port":"bundle"/);
    const job = JSON.stringify(spiffe.filter(({ kind }) => kind === 'CronJob'));
    assert.match(job, /"--bundle-endpoint"/);
    const web = render(
      enabled,
      'federation.bundleEndpoint.profile=https_web',
      'federation.bundleEndpoint.tlsSecret=bundle-tls',
      'federation.webCAConfigMap=web-ca',
    );
    const { spec, args } = argsOf(web);
    assert.ok(args.includes('--bundle-endpoint-tls-dir=/run/signet/bundle-endpoint-tls'));
    assert.ok(args.includes('--federation-web-ca=/run/signet/federation-web-ca/ca.crt'));
    const volumes = listAt(spec, 'volumes').map(({ name }) => name);
    assert.ok(volumes.includes('bundle-endpoint-tls') && volumes.includes('federation-web-ca'));
    assert.doesNotMatch(
      JSON.stringify(web.filter(({ kind }) => kind === 'CronJob')),
      /bundle-endpoint/,
    );
  },
);
refused(
  'https_web without a certificate',
  [
    'trustDomain=a',
    'federation.bundleEndpoint.enabled=true',
    'federation.bundleEndpoint.profile=https_web',
  ],
  /tlsSecret/,
);
refused('OpenID Connect without an issuer', ['trustDomain=a', 'oidc.enabled=true'], /jwtIssuer/);

test('Secrets and their like come empty, and stay when the chart goes', NEEDS_HELM, () => {
  const kept = render().filter(({ kind }) => {
    return kind === 'Secret' || kind === 'ConfigMap' || kind === 'CustomResourceDefinition';
  });
  assert.equal(kept.length, 14);
  for (const object of kept) {
    const name = textAt(object, 'metadata', 'name');
    assert.equal(at(object, 'metadata', 'annotations', 'helm.sh/resource-policy'), 'keep', name);
    assert.equal(object['data'], undefined, name);
  }
});

test('webhooks come without caBundle, which the controller writes', NEEDS_HELM, () => {
  for (const kind of ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration']) {
    const entries = listAt(named(render(), kind, 'signet'), 'webhooks');
    assert.ok(entries.length > 3);
    for (const { clientConfig } of entries) {
      assert.deepEqual(Object.keys(clientConfig as JsonObject), ['service']);
      assert.equal(at(clientConfig, 'service', 'namespace'), 'signet');
    }
  }
});

test('one way of injection at a time', NEEDS_HELM, () => {
  const kinds = (injection: string): readonly string[] => {
    const wanted = /^Mutating(?:WebhookConfiguration|AdmissionPolicy)$/;
    const found = render(`injection=${injection}`).map((each) => textAt(each, 'kind'));
    return [...new Set(found.filter((kind) => wanted.test(kind)))];
  };
  assert.deepEqual(kinds('webhook'), ['MutatingWebhookConfiguration']);
  assert.deepEqual(kinds('policy'), ['MutatingAdmissionPolicy']);
  assert.deepEqual(kinds('off'), []);
});

test('admission policies deny, and are closed when they cannot tell', NEEDS_HELM, () => {
  const objects = render('admissionPolicies.denyKubeletPaths=true');
  const policies = objects.filter(({ kind }) => kind === 'ValidatingAdmissionPolicy');
  assert.equal(policies.length, 7);
  for (const policy of policies) {
    const name = textAt(policy, 'metadata', 'name');
    assert.equal(at(policy, 'spec', 'failurePolicy'), 'Fail', name);
    const binding = named(objects, 'ValidatingAdmissionPolicyBinding', name);
    assert.deepEqual(at(binding, 'spec'), { policyName: name, validationActions: ['Deny'] });
  }
  assert.equal(
    render('admissionPolicies.enabled=false').filter(({ kind }) => {
      return kind === 'ValidatingAdmissionPolicy';
    }).length,
    0,
  );
});
