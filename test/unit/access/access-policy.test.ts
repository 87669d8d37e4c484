import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideAccess } from '../../../src/access/access-policy.ts';
import { readAccessPolicy } from '../../../src/access/access-policy-text.ts';
import { lintAccessPolicy } from '../../../src/access/lint-access-policy.ts';
import { parseSpiffeId } from '../../../src/spiffe/spiffe-id.ts';

const HEAD = 'apiVersion: signet.dev/v1alpha1\nkind: AccessPolicy\nmetadata: {name: p}\n';
const POLICY = `${HEAD}operations: [traffic.read, traffic.set, wave.request, log.write]
rules:
  - {name: wave, peers: ["spiffe://a.org/sa/dispatcher"], operations: [wave.request]}
  - {name: steer, peers: ["spiffe://a.org/sa/agent"], operations: ["traffic.*"]}
  - {name: look, peers: ["spiffe://a.org/sa/*"], operations: [traffic.read]}
`;

const decisions: readonly [string, string, string][] = [
  ['dispatcher', 'wave.request', 'wave'],
  ['dispatcher', 'traffic.read', 'look'],
  ['dispatcher', 'traffic.set', 'NoRule'],
  ['agent', 'traffic.set', 'steer'],
  ['agent', 'traffic.read', 'steer'],
  ['agent', 'wave.request', 'NoRule'],
  ['optimiser', 'traffic.read', 'look'],
  ['optimiser', 'log.write', 'NoRule'],
  ['optimiser', 'traffic', 'UnknownOperation'],
  ['optimiser', 'constructor', 'UnknownOperation'],
];

for (const [peer, operation, expected] of decisions) {
  test(`${peer} asks for ${operation}: ${expected}`, () => {
    const { policy } = readAccessPolicy(POLICY);
    const decision = decideAccess(policy, parseSpiffeId(`spiffe://a.org/sa/${peer}`), operation);
    assert.equal(decision.allowed ? decision.value.name : decision.reason, expected);
  });
}

test('another trust domain with the same path is nobody', () => {
  const { policy } = readAccessPolicy(POLICY);
  const peer = parseSpiffeId('spiffe://b.org/sa/dispatcher');
  assert.equal(decideAccess(policy, peer, 'wave.request').allowed, false);
});

const rule = '{name: r, peers: ["spiffe://a.org/x"], operations: [a]}';
const refused: readonly [string, string, RegExp][] = [
  ['no document', '', /^access policy: must be an object/],
  ['a list', '[]', /^access policy: must be an object/],
  ['another kind', 'apiVersion: signet.dev/v1alpha1\nkind: X', /^kind: must be AccessPolicy/],
  ['another version', 'apiVersion: v2\nkind: AccessPolicy', /^apiVersion: must be/],
  ['an unknown field', `${HEAD}deny: []`, /"deny" is not one of/],
  [
    'no name',
    'apiVersion: signet.dev/v1alpha1\nkind: AccessPolicy',
    /^metadata: must be an object/,
  ],
  ['a name twice', `${HEAD}kind: AccessPolicy`, /unique/],
  ['no operations', `${HEAD}rules: [${rule}]`, /^operations: must be a list/],
  ['no rules', `${HEAD}operations: [a]\nrules: []`, /^rules: must be a list, not empty/],
  ['an operation in capitals', `${HEAD}operations: [A]\nrules: [${rule}]`, /^operations\[0\]/],
  [
    'an operation that is not declared',
    `${HEAD}operations: [b]\nrules: [${rule}]`,
    /a is not one of/,
  ],
  [
    'a stem without operations',
    `${HEAD}operations: [a]\nrules: [{name: r, peers: ["spiffe://a.org/x"], operations: ["b.*"]}]`,
    /operations has none that begins with b\./,
  ],
  [
    'a star for all operations',
    `${HEAD}operations: [a]\nrules: [{name: r, peers: ["spiffe://a.org/x"], operations: ["*"]}]`,
    /^rules\[0\]\.operations\[0\]: must be words/,
  ],
  [
    'a rule without peers',
    `${HEAD}operations: [a]\nrules: [{name: r, peers: [], operations: [a]}]`,
    /^rules\[0\]\.peers: must be a list, not empty/,
  ],
  [
    'two rules of one name',
    `${HEAD}operations: [a]\nrules: [${rule}, ${rule}]`,
    /r is there twice/,
  ],
  ['a merge of aliases', `${HEAD}operations: &x [a]\nrules: *x`, /aliases are not taken/],
  ['too much', `${HEAD}#${'x'.repeat(256 * 1024)}`, /bytes exceed/],
];

for (const [name, text, message] of refused) {
  test(`refuses ${name}`, () => {
    assert.throws(() => readAccessPolicy(text), { code: 'invalid-argument', message });
  });
}

test('JSON is read as well, and the digest is of the text', () => {
  const text = JSON.stringify({
    apiVersion: 'signet.dev/v1alpha1',
    kind: 'AccessPolicy',
    metadata: { name: 'p' },
    operations: ['a'],
    rules: [{ name: 'r', peers: ['spiffe://a.org/x'], operations: ['a'] }],
  });
  assert.deepEqual(readAccessPolicy(text).policy, readAccessPolicy(`${text} `).policy);
  assert.notEqual(readAccessPolicy(text).digest, readAccessPolicy(`${text} `).digest);
});

test('lint: what is probably not meant', () => {
  const { policy } = readAccessPolicy(`${HEAD}operations: [a, b, c]
rules:
  - {name: wide, peers: ["spiffe://a.org/**"], operations: [a]}
  - {name: narrow, peers: ["spiffe://a.org/ns/x/sa/y"], operations: [a]}
  - {name: open, peers: ["spiffe://b.org/ns/*/sa/y"], operations: [a, b]}
  - {name: again, peers: ["spiffe://b.org/ns/*/sa/y"], operations: [b, a]}
`);
  assert.deepEqual(
    lintAccessPolicy(policy).map(({ reason, subject }) => `${reason} ${subject}`),
    [
      'NobodyMay c',
      'WholeTrustDomain wide',
      'CoveredByRule narrow',
      'AnyNamespace open',
      'CoveredByRule again',
      'AnyNamespace again',
    ],
  );
});

test('lint: a policy that means what it says', () => {
  const { policy } = readAccessPolicy(POLICY);
  assert.deepEqual(
    lintAccessPolicy(policy).map(({ reason, subject }) => `${reason} ${subject}`),
    ['NobodyMay log.write'],
  );
});
