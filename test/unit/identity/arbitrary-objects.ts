// Arbitrary pods and policies, and whatever else identities derive from: few names, so that they meet.

import * as fc from 'fast-check';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { SA_TEMPLATE } from './fixtures.ts';

export const one = <T>(...values: readonly T[]) => fc.constantFrom(...values);
/** The first one far more often than the others. */
export const mostly = <T>(usual: T, ...others: readonly T[]) =>
  fc.oneof(
    { weight: 3 * others.length, arbitrary: fc.constant(usual) },
    { weight: others.length, arbitrary: one(...others) },
  );
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
export const record = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(fields);

/** Without what is undefined. */
export function json(value: object): JsonObject {
  return JSON.parse(JSON.stringify(value)) as JsonObject;
}

const POD_NAMES = ['a/p0', 'a/p1', 'a/p2', 'b/p0', 'b/p1', 'ignored/p0'];
const uids = POD_NAMES.flatMap((name) => [`${name}#0`, `${name}#1`]);

export const pods = record({
  at: one(...POD_NAMES),
  incarnation: one('0', '0', '1'),
  labels: record({
    app: maybe(one('web', 'db')),
    tier: maybe(one('x', 'y')),
    constructor: maybe(one('web')),
  }),
  nodeName: mostly('n1', 'n2', ''),
  serviceAccountName: one('s1', 's2'),
  special: mostly('', 'mirror', 'owned', 'bare'),
}).map(({ at, incarnation, labels, special, ...spec }) => {
  const [namespace, name] = at.split('/');
  const metadata = {
    namespace,
    name,
    uid: `${at}#${incarnation}`,
    labels: special === 'bare' ? undefined : labels,
    annotations: special === 'mirror' ? { 'kubernetes.io/config.mirror': 'x' } : undefined,
    ownerReferences: special === 'owned' ? [{ kind: 'Node', name: 'n1', uid: 'u' }] : undefined,
  };
  return json({ metadata, spec, status: { phase: 'Running' } });
});

export const namespaces = record({
  name: one('a', 'b', 'ignored'),
  labels: record({ env: maybe(one('x', 'y')) }),
}).map((metadata) => json({ metadata }));

export const nodes = record({
  name: one('n1', 'n2'),
  uid: one('u0', 'u1'),
  labels: record({ zone: maybe(one('z0', 'z1')) }),
  resourceVersion: one('1', '2'),
}).map((metadata) => json({ metadata, spec: {} }));

export const services = record({
  namespace: one('a', 'b'),
  name: one('web', 'db'),
  uid: one('svc-0', 'svc-0', 'svc-1'),
  selector: one<JsonObject | undefined>({ app: 'web' }, { app: 'web' }, { tier: 'x' }, undefined),
}).map(({ selector, ...metadata }) => json({ metadata, spec: { selector } }));

export const slices = record({
  namespace: one('a', 'b'),
  name: one('slice-0', 'slice-1'),
  service: one('web', 'web', 'db'),
  owner: one('svc-0', 'svc-0', 'svc-1', ''),
  pods: fc.subarray(uids),
}).map(({ namespace, name, service, owner, pods }) =>
  json({
    metadata: {
      namespace,
      name,
      labels: { 'kubernetes.io/service-name': service },
      ownerReferences: owner === '' ? undefined : [{ kind: 'Service', uid: owner }],
    },
    endpoints: pods.map((uid) => ({ targetRef: { kind: 'Pod', uid } })),
  }),
);

const requirement = fc.oneof(
  record({
    key: one('app', 'tier', 'constructor'),
    operator: one('In', 'NotIn'),
    values: one(['web'], ['x'], ['web', 'db'], ['x', 'y', 'x']),
  }),
  record({ key: one('app', 'tier', 'toString'), operator: one('Exists', 'DoesNotExist') }),
);

const podSelector = fc.oneof(
  {
    weight: 2,
    arbitrary: one<JsonObject | undefined>(undefined, {}, { matchLabels: { app: 'web' } }),
  },
  fc.array(requirement, { maxLength: 2 }).map((matchExpressions) => ({ matchExpressions })),
);

const namespaceSelector = mostly<JsonObject | undefined>(
  undefined,
  {},
  { matchLabels: { env: 'x' } },
  { matchExpressions: [{ key: 'env', operator: 'NotIn', values: ['x'] }] },
  { matchExpressions: [{ key: 'env', operator: 'DoesNotExist' }] },
);

export const policies = record({
  name: one('q0', 'q1', 'q2', 'q3'),
  uid: one('0', '0', '1'),
  creationTimestamp: one('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'),
  deletionTimestamp: mostly(undefined, '2026-01-03T00:00:00Z'),
  spiffeIDTemplate: mostly(
    SA_TEMPLATE,
    'spiffe://example.org/{{ .PodMeta.Labels.app }}',
    'spiffe://example.org/node/{{ .NodeMeta.Labels.zone }}/{{ .PodMeta.Name }}',
    'spiffe://example.org/fixed',
    'spiffe://elsewhere.test/x',
    'spiffe://example.org/spire/x',
    '{{',
  ),
  className: mostly<string | undefined>(undefined, 'mine', 'other'),
  podSelector,
  namespaceSelector,
  fallback: mostly<boolean | undefined>(undefined, true),
  priority: mostly<number | undefined>(undefined, 1, -1),
  workloadSelectorTemplates: mostly<readonly string[] | undefined>(
    undefined,
    ['k8s:ns:a'],
    ['k8s:pod-label:app:web', 'k8s:sa:s1'],
    ['unix:uid:0'],
    ['k8s:node-name:{{ .NodeMeta.Name }}', 'k8s:pod-uid:{{ .PodMeta.UID }}'],
    ['unix:gid:{{ .NodeMeta.Labels.zone }}'],
    ['k8s:pod-label:{{ if eq .NodeMeta.Labels.zone "z0" }}app:web{{ else }}tier:x{{ end }}'],
    ['k8s:container-name:x', 'k8s:ns-label:env:x'],
  ),
  dnsNameTemplates: mostly<readonly string[] | undefined>(
    undefined,
    ['{{ .PodMeta.Name }}.test', 'web'],
    ['{{ .PodMeta.Labels.tier }}'],
    ['{{ .NodeMeta.Labels.zone }}.test'],
    ['no name'],
  ),
  jwtClaimTemplates: mostly<JsonObject | undefined>(undefined, {
    agent_zone: '{{ .NodeMeta.Labels.zone }}',
  }),
  jwtClaimsFromAuthors: one<boolean | undefined>(true, true, undefined),
  autoPopulateDNSNames: one<boolean | undefined>(undefined, true),
  hint: one<string | undefined>(undefined, 'h0', 'h1'),
  ttl: mostly<string | undefined>(undefined, '1h', '5m', '-1h'),
}).map(({ name, uid, creationTimestamp, deletionTimestamp, ...spec }) =>
  json({
    metadata: { name, uid: `${name}#${uid}`, creationTimestamp, deletionTimestamp },
    spec,
  }),
);

export const restrictions = record({
  name: one('r0', 'r1'),
  match: one<JsonObject>(
    { all: true },
    { namespace: 'a' },
    { serviceAccount: 's1', node: 'n1' },
    { spiffeIDPrefix: 'spiffe://example.org/ns/a' },
    { spiffeID: 'spiffe://example.org/fixed' },
    { podUID: 'a/p0#0' },
    {},
  ),
  suspend: one<boolean | undefined>(true, undefined),
  until: one<string | undefined>(undefined, '2026-01-01T12:00:20Z', '2026-01-01T00:00:00Z'),
  maxX509SVIDTTL: one<string | undefined>(undefined, '10m'),
  allowedAudiences: one<readonly string[] | undefined>(undefined, ['x'], ['x', 'y']),
}).map(({ name, ...spec }) => json({ metadata: { name }, spec }));

const PARENTS = [
  'spiffe://example.org/spire/agent/k8s_psat/cluster/u0',
  'spiffe://example.org/nodes',
  'spiffe://example.org/spire/server',
] as const;
export const staticEntries = record({
  name: one('q0', 'q1', 'q2', 'q3'),
  uid: one('0', '0', '1'),
  creationTimestamp: one('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'),
  spiffeID: one(
    'spiffe://example.org/ns/a/sa/s1',
    'spiffe://example.org/fixed',
    'spiffe://example.org/nodes',
    'spiffe://example.org/spire/no',
  ),
  parentID: one(...PARENTS),
  selectors: fc.oneof(
    {
      weight: 3,
      arbitrary: fc.subarray(
        ['k8s:ns:a', 'k8s:sa:s1', 'k8s:pod-label:app:web', 'k8s:pod-name:p0'],
        { minLength: 1 },
      ),
    },
    one(
      ['k8s:pod-uid:a/p0#0'],
      ['k8s:node-name:n1', 'k8s:pod-label:app:web'],
      ['k8s:ns:ignored'],
      ['unix:uid:0', 'k8s:ns:a'],
      ['k8s:ns-label:env:x'],
      ['k8s_psat:cluster:cluster', 'k8s_psat:agent_node_name:n1'],
      ['k8s_psat:agent_node_label:zone:z0'],
      ['k8s_psat:agent_ns:spire'],
    ),
  ),
  className: mostly<string | undefined>(undefined, 'mine', 'other'),
  hint: mostly<string | undefined>(undefined, 'h'),
  x509SVIDTTL: mostly<string | undefined>(undefined, '10m', '-1h'),
}).map(({ name, uid, creationTimestamp, ...spec }) =>
  json({ metadata: { name, uid: `static-${name}#${uid}`, creationTimestamp }, spec }),
);
