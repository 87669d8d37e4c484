// Official clients without a change of code: which variables a pod gets for a consumer that it names,
// what its author set stays, and what would defeat its identity is said.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileAttributeError } from '../../../src/base/file-attributes.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../../src/template/json-value.ts';
import { CONSUMERS } from '../../../src/webhook/consumers.ts';
import { applyPatch } from '../../../src/webhook/json-patch.ts';
import { mutatePod } from '../../../src/webhook/mutate-pod.ts';
import { validatePod } from '../../../src/webhook/validate-pod.ts';
import { driverVolume, makePod, makeRequest, settings } from './pod-fixtures.ts';

const CLAUDE = {
  'signet.dev/for': 'claude',
  'claude.signet.dev/federation-rule-id': 'fdrl_1',
  'claude.signet.dev/organization-id': 'org-1',
};

function inject(pod: JsonObject) {
  const { patch, warnings } = mutatePod(makeRequest(pod), settings);
  const patched = applyPatch(pod, patch);
  assert.ok(isJsonObject(patched) && isJsonObject(patched['spec']));
  const { spec, metadata } = patched as { spec: JsonObject; metadata: JsonObject };
  const [container] = spec['containers'] as readonly { env: readonly JsonObject[] }[];
  const variables = Object.fromEntries(
    (container?.env ?? []).map((each) => [each['name'] as string, each['value']]),
  );
  const volumes = spec['volumes'] as readonly { csi?: { volumeAttributes?: JsonObject } }[];
  const attributes = volumes.find(({ csi }) => csi !== undefined)?.csi?.volumeAttributes ?? {};
  const annotations = metadata['annotations'] as JsonObject;
  return { pod: patched, warnings, variables, attributes, annotations };
}

test('Claude: the variables of its SDKs, and a token of its own that rotates', () => {
  const { variables, attributes, warnings, pod, annotations } = inject(
    makePod({ annotations: CLAUDE }),
  );
  const { SPIFFE_ENDPOINT_SOCKET: _, ...others } = variables;
  assert.deepEqual(others, {
    ANTHROPIC_IDENTITY_TOKEN_FILE: '/spiffe-files/claude-token',
    ANTHROPIC_FEDERATION_RULE_ID: 'fdrl_1',
    ANTHROPIC_ORGANIZATION_ID: 'org-1',
  });
  assert.equal(attributes['signet.dev/jwt-audience'], 'claude-token=https://api.anthropic.com');
  assert.deepEqual(warnings, []);
  assert.equal(annotations['signet.dev/conflicts'], undefined);
  assert.equal(validatePod(makeRequest(pod), settings).allowed, true);
});

test('several at once, beside tokens that the pod asks for itself', () => {
  const annotations = {
    ...CLAUDE,
    'signet.dev/for': 'claude, aws, postgres',
    'signet.dev/jwt-audience': 'mine',
    'signet.dev/file-names': 'spiffe-helper',
    'aws.signet.dev/role-arn': 'arn:aws:iam::1:role/agent',
    'aws.signet.dev/audience': 'agents',
  };
  const { variables, attributes, warnings } = inject(makePod({ annotations }));
  assert.equal(
    attributes['signet.dev/jwt-audience'],
    'mine,claude-token=https://api.anthropic.com,aws-token=agents',
  );
  assert.equal(variables['AWS_WEB_IDENTITY_TOKEN_FILE'], '/spiffe-files/aws-token');
  assert.equal(variables['AWS_ROLE_ARN'], 'arn:aws:iam::1:role/agent');
  assert.equal(variables['AWS_REGION'], undefined);
  assert.equal(variables['PGSSLKEY'], '/spiffe-files/svid_key.pem');
  assert.equal(variables['PGSSLCERT'], '/spiffe-files/svid.pem');
  assert.equal(variables['PGSSLROOTCERT'], '/spiffe-files/svid_bundle.pem');
  assert.equal(variables['PGSSLMODE'], 'verify-full');
  assert.deepEqual(warnings, []);
});

test('what the author set stays, and it is said', () => {
  const env = [
    { name: 'AWS_ROLE_ARN', valueFrom: { configMapKeyRef: { name: 'c', key: 'k' } } },
    { name: 'AWS_WEB_IDENTITY_TOKEN_FILE', value: '/other' },
  ];
  const containers = [{ name: 'main', env }];
  const { variables, pod, warnings } = inject(
    makePod({ annotations: { 'signet.dev/for': 'aws' }, spec: { containers } }),
  );
  assert.equal(variables['AWS_WEB_IDENTITY_TOKEN_FILE'], '/other');
  const spec = pod['spec'] as { containers: { env: JsonValue[] }[] };
  assert.deepEqual(spec.containers[0]?.env.slice(0, 2), env);
  assert.deepEqual(warnings, [
    "spec.containers[0].env: AWS_WEB_IDENTITY_TOKEN_FILE is the author's, and stays",
  ]);
});

test('a variable that the client takes instead is left, warned about and noted on the pod', () => {
  const containers = [
    { name: 'main', env: [{ name: 'ANTHROPIC_API_KEY', value: '' }] },
    { name: 'other', env: [{ name: 'PGPASSWORD', value: 'x' }] },
  ];
  const { pod, warnings, annotations } = inject(
    makePod({ annotations: CLAUDE, spec: { containers } }),
  );
  assert.deepEqual(warnings, [
    'spec.containers[0].env: ANTHROPIC_API_KEY is used for claude instead of the identity',
  ]);
  assert.equal(annotations['signet.dev/conflicts'], 'ANTHROPIC_API_KEY in main');
  assert.ok(JSON.stringify(pod).includes('{"name":"ANTHROPIC_API_KEY","value":""}'));
  const again = mutatePod(makeRequest(pod), settings);
  assert.deepEqual([again.patch, again.warnings], [[], warnings], 'explain says it too');
});

test('what is needed and nowhere to be found is said; with envFrom nobody can know', () => {
  const annotations = { 'signet.dev/for': 'aws' };
  const needed = 'metadata.annotations["signet.dev/for"]: aws needs AWS_ROLE_ARN: ';
  assert.deepEqual(inject(makePod({ annotations })).warnings, [
    `${needed}set annotation aws.signet.dev/role-arn`,
  ]);
  const containers = [{ name: 'main', envFrom: [{ secretRef: { name: 's' } }] }];
  assert.deepEqual(inject(makePod({ annotations, spec: { containers } })).warnings, []);
});

test('a name that is unknown is said, and the others are served', () => {
  const { variables, warnings } = inject(
    makePod({ annotations: { ...CLAUDE, 'signet.dev/for': 'claude,clod' } }),
  );
  assert.ok(variables['ANTHROPIC_IDENTITY_TOKEN_FILE'] !== undefined);
  assert.deepEqual(warnings, [
    'metadata.annotations["signet.dev/for"]: "clod" is none of claude, aws, azure, postgres',
  ]);
});

test('a volume of the author’s own that asks for no such token gets no variable for it', () => {
  const own = {
    ...driverVolume,
    csi: { ...driverVolume.csi, volumeAttributes: { 'signet.dev/files': 'true' } },
  };
  const { variables, warnings } = inject(
    makePod({ annotations: CLAUDE, spec: { volumes: [own] } }),
  );
  assert.equal(variables['ANTHROPIC_IDENTITY_TOKEN_FILE'], undefined);
  assert.deepEqual(warnings, [
    'metadata.annotations["signet.dev/for"]: claude: the volume asks for no file claude-token',
  ]);
});

test('an audience that is refused leaves no pod without its volume: validation names it', () => {
  const annotations = { ...CLAUDE, 'signet.dev/jwt-audience': 'a,b' };
  const { pod, attributes } = inject(makePod({ annotations }));
  assert.ok(attributes['signet.dev/files'] !== undefined);
  const { allowed, message } = validatePod(makeRequest(pod), settings);
  assert.equal(allowed, false);
  assert.match(message, /signet\.dev\/jwt-audience"\]: of several audiences/);
});

test('the table: one audience each, no variable twice, no conflict with what is set', () => {
  const names = new Set<string>();
  for (const [name, { token, variables, conflicts }] of CONSUMERS) {
    if (token !== undefined) {
      const value = `${token.name}=${token.audience}`;
      assert.equal(fileAttributeError('signet.dev/jwt-audience', value), null, name);
    }
    for (const variable of variables) {
      assert.ok(!names.has(variable.name), variable.name);
      names.add(variable.name);
      assert.ok(!conflicts.includes(variable.name), variable.name);
    }
  }
});
