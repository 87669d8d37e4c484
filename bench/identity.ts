// Seconds to say who is who in a big cluster: 100,000 pods and 1,000 policies with about 803,000
// matches. Beside each number the limit of the machine, measured in the same run: the same output
// from a loop that knows the answer.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ClusterSpiffeIdPolicy } from '../src/crds/cluster-spiffe-id-policy.ts';
import { parseClusterSpiffeId } from '../src/crds/cluster-spiffe-id-policy.ts';
import { IdentityIndex } from '../src/identity/identity-index.ts';
import type { NamespaceObject, PodObject } from '../src/identity/objects.ts';
import { readNamespace, readNode, readPod } from '../src/identity/objects.ts';
import { newVerdicts, PolicyMatcher } from '../src/identity/policy-matcher.ts';
import { DEFAULT_IDENTITY_SETTINGS } from '../src/identity/settings.ts';
import { parseTrustDomain } from '../src/spiffe/spiffe-id.ts';
import type { JsonObject } from '../src/template/json-value.ts';
import { type BenchResult, benchResult, percentile } from './bench-result.ts';

type Pair = readonly [value: number, limit: number];

type Cluster = {
  readonly policies: readonly ClusterSpiffeIdPolicy[];
  readonly namespaces: readonly NamespaceObject[];
  readonly pods: readonly PodObject[];
};

const PODS = 100_000;
const REPLICAS = 10;
const NAMESPACES = 2_000;
const POLICIES = 1_000;
const NODES = 1_000;
const ROUNDS = 3;
const EVENTS = 20_000;
const POLICY_EVENTS = 60;
const SETTINGS = {
  ...DEFAULT_IDENTITY_SETTINGS,
  trustDomain: parseTrustDomain('example.org'),
  ignoreNamespaces: ['^kube-'],
};

export function run(): readonly BenchResult[] {
  const cluster: Cluster = {
    policies: Array.from({ length: POLICIES }, (_, index) => newPolicy(index)),
    namespaces: Array.from({ length: NAMESPACES }, (_, index) => newNamespace(index)),
    pods: newPods(newRandom()),
  };
  const { matched, matches, limit: touched } = measureMatching(cluster);
  const before = heapUsed();
  const { index, loaded } = loadIndex(cluster);
  const perPod = (heapUsed() - before) / PODS;
  const concatenated = concatenate(matches);
  const events = podEvents(index, cluster.pods);
  const perEvent = (concatenated / PODS) * 1000;
  const policyEvents = policyEventTimes(index);
  const onePolicy = (concatenated / matches) * 2_000;
  return [
    result('identity-matches', [matches, 803_000], ''),
    result('identity-match-cold', [matched, touched], 'ms'),
    result('identity-load-and-settle', [loaded, touched + concatenated], 'ms'),
    result('identity-pod-event-p50', [percentile(events, 0.5), perEvent], 'us'),
    result('identity-pod-event-p99', [percentile(events, 0.99), perEvent], 'us'),
    result('identity-policy-event-2000-pods-p50', [percentile(policyEvents, 0.5), onePolicy], 'ms'),
    result(
      'identity-policy-event-2000-pods-p99',
      [percentile(policyEvents, 0.99), onePolicy],
      'ms',
    ),
    result('identity-heap-per-pod', [perPod, (matches / PODS) * 8], 'bytes'),
  ];
}

function measureMatching({ policies, namespaces, pods }: Cluster) {
  let [matched, limit, matches] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 0];
  for (let round = 0; round < ROUNDS; round += 1) {
    const matcher = new PolicyMatcher();
    for (const policy of policies) matcher.add(policy);
    const verdicts = new Map(namespaces.map(({ name, labels }) => [name, newVerdicts(labels)]));
    const perPod: number[] = [];
    const start = performance.now();
    for (const pod of pods) {
      const known = verdicts.get(pod.namespace);
      if (known !== undefined) perPod.push(matcher.match(pod, known).length);
    }
    matched = Math.min(matched, performance.now() - start);
    matches = perPod.reduce((sum, count) => sum + count, 0);
    const touchStart = performance.now();
    const emitted: object[] = [];
    for (const [at, pod] of pods.entries()) {
      if (!Object.hasOwn(pod.labels, 'app')) throw new Error('a pod without labels');
      for (let count = perPod[at] ?? 0; count > 0; count -= 1) emitted.push(pod);
    }
    limit = Math.min(limit, performance.now() - touchStart);
  }
  return { matched, matches, limit };
}

function loadIndex({ policies, namespaces, pods }: Cluster) {
  const start = performance.now();
  const index = new IdentityIndex(SETTINGS);
  for (let node = 0; node < NODES; node += 1) {
    const name = `node-${node}`;
    index.setNode(name, readNode({ metadata: { name, uid: `uid-${name}` }, spec: {} }));
  }
  for (const namespace of namespaces) index.setNamespace(namespace.name, namespace);
  for (const policy of policies) index.setPolicy(policy.name, policy);
  for (const pod of pods) index.setPod(pod);
  index.settleAll();
  return { index, loaded: performance.now() - start };
}

/** Milliseconds to write as many IDs as there are matches, and to look at each. */
function concatenate(matches: number): number {
  const start = performance.now();
  let codes = 0;
  for (let count = 0; count < matches; count += 1) {
    const id = `spiffe://example.org/p${count % POLICIES}/ns/ns-${count % NAMESPACES}/sa/sa-${count % 7}`;
    codes += id.charCodeAt(id.length - 1);
  }
  return codes === 0 ? Number.NaN : performance.now() - start;
}

/** Microseconds from a pod's change to its settled answer. */
function podEvents(index: IdentityIndex, pods: readonly PodObject[]): readonly number[] {
  const times: number[] = [];
  for (let event = -EVENTS; event < EVENTS; event += 1) {
    const pod = pods[(Math.abs(event) * 7919) % PODS];
    if (pod === undefined) continue;
    const start = performance.now();
    index.setPod(pod);
    const settled = index.pod(pod.uid);
    const elapsed = performance.now() - start;
    if (settled?.isSettled !== true) throw new Error('a pod is not settled');
    if (event >= 0) times.push(elapsed * 1000);
  }
  return times;
}

/** Milliseconds from an edit of a policy that selects 2,000 pods to everyone's settled answer. */
function policyEventTimes(index: IdentityIndex): readonly number[] {
  index.takeChanged();
  const times: number[] = [];
  for (let event = -POLICY_EVENTS; event < POLICY_EVENTS; event += 1) {
    const policy = parsePolicy('edited', {
      spiffeIDTemplate: `spiffe://example.org/v${event}/ns/{{ .PodMeta.Namespace }}`,
      podSelector: { matchLabels: { region: 'r-7' } },
    });
    const start = performance.now();
    index.setPolicy(policy.name, policy);
    const changed = index.takeChanged();
    const elapsed = performance.now() - start;
    if (changed.size !== 2_000) throw new Error(`${changed.size} pods changed, not 2000`);
    if (event >= 0) times.push(elapsed);
  }
  return times;
}

/** 60 % one label; 20 % two; 10 % by namespace; 7 % a version but not; 2 % Exists; 1 % all but. */
function newPolicy(index: number): ClusterSpiffeIdPolicy {
  const name = `policy-${index}`;
  const account = 'ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}';
  const spiffeIDTemplate = `spiffe://{{ .TrustDomain }}/${index % 4 === 0 ? '' : `p${index}/`}${account}`;
  return parsePolicy(name, { spiffeIDTemplate, ...selectorsOf(index) });
}

function selectorsOf(index: number): JsonObject {
  const require = (key: string, operator: string, ...values: readonly string[]) => {
    return { matchExpressions: [{ key, operator, values }] };
  };
  if (index < 600) return { podSelector: { matchLabels: { app: `app-${index}` } } };
  if (index < 800) {
    return {
      podSelector: { matchLabels: { team: `team-${index % 50}`, env: `env-${index % 4}` } },
    };
  }
  if (index < 900) {
    const group = { matchLabels: { group: `group-${index % 40}` } };
    return { namespaceSelector: group, podSelector: require('tier', 'In', 'tier-0', 'tier-1') };
  }
  if (index < 970) {
    const { matchExpressions } = require('env', 'NotIn', `env-${index % 4}`);
    return { podSelector: { matchLabels: { version: `v${index % 30}` }, matchExpressions } };
  }
  if (index < 990) return { podSelector: require(`feature-${index % 20}`, 'Exists') };
  return { namespaceSelector: require('third', 'NotIn', 'third-0', `third-${1 + (index % 2)}`) };
}

function parsePolicy(name: string, spec: JsonObject): ClusterSpiffeIdPolicy {
  const metadata = { name, uid: `uid-${name}`, creationTimestamp: '2026-01-01T00:00:00Z' };
  const { value, errors } = parseClusterSpiffeId({ metadata, spec });
  if (value === undefined) throw new Error(errors.join('; '));
  return value;
}

function newNamespace(index: number): NamespaceObject {
  const name = `ns-${index}`;
  const labels = { 'kubernetes.io/metadata.name': name, group: `group-${index % 40}` };
  return readNamespace({ metadata: { name, labels: { ...labels, third: `third-${index % 3}` } } });
}

/** Replicas share their labels, as they do in a store that keeps each set once. */
function newPods(random: (below: number) => number): readonly PodObject[] {
  const pods: PodObject[] = [];
  for (let set = 0; set < PODS / REPLICAS; set += 1) {
    const namespace = `ns-${random(NAMESPACES)}`;
    const labels = {
      app: `app-${random(1_000)}`,
      team: `team-${random(50)}`,
      env: `env-${random(4)}`,
      tier: `tier-${random(4)}`,
      version: `v${random(30)}`,
      region: `r-${set % 50}`,
      [`feature-${random(200)}`]: 'on',
      'pod-template-hash': `h${set}`,
    };
    for (let replica = 0; replica < REPLICAS; replica += 1) {
      const name = `web-${set}-${replica}`;
      const spec = { nodeName: `node-${random(NODES)}`, serviceAccountName: `sa-${random(7)}` };
      pods.push(readPod({ metadata: { namespace, name, uid: `uid-${name}`, labels }, spec }));
    }
  }
  return pods;
}

function newRandom(): (below: number) => number {
  let state = 1;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

function result(name: string, [value, limit]: Pair, unit: string): BenchResult {
  return benchResult({ name, value, unit, limit });
}

if (import.meta.main) for (const each of run()) console.log(JSON.stringify(each));
