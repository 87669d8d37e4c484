// Injection among other mutators: twice is once, the order does not matter, and nothing an author or
// another mutator wrote is ever lost.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import { isJsonObject, type JsonObject, type JsonValue } from '../../../src/template/json-value.ts';
import { applyPatch } from '../../../src/webhook/json-patch.ts';
import { mutatePod } from '../../../src/webhook/mutate-pod.ts';
import { arbitraryJson } from './arbitrary-json.ts';
import { driverVolume, env, makeRequest, mount, settings } from './pod-fixtures.ts';

type Container = JsonObject & { readonly name: string };
type Spec = {
  readonly volumes?: readonly JsonObject[];
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
};
type Pod = { readonly metadata: JsonObject; readonly spec: Spec };
type Mutator = (pod: Pod) => Pod;

function inject(pod: Pod): Pod {
  return applyPatch(pod, mutatePod(makeRequest(pod), settings).patch) as Pod;
}

const withSpec = (pod: Pod, spec: Partial<Spec>): Pod => ({
  ...pod,
  spec: { ...pod.spec, ...spec },
});

const contents = fc.record(
  {
    volumeMounts: fc.constantFrom([], [{ name: 'data', mountPath: '/data' }]),
    env: fc.constantFrom([], [{ name: 'A', value: '1' }], [{ ...env, value: 'unix:///own' }]),
    restartPolicy: fc.constant('Always'),
  },
  { requiredKeys: [] },
);
const containers = (prefix: string, minLength: number) =>
  fc
    .array(contents, { minLength, maxLength: 3 })
    .map((all) => all.map((each, index) => ({ name: `${prefix}-${index}`, ...each })));
const keys = fc.constantFrom('app', 'a/b', 'm~n', '__proto__', 'constructor');
const annotations = fc.array(fc.tuple(keys, fc.string({ maxLength: 3 })), { maxLength: 3 });

const pods: fc.Arbitrary<Pod> = fc
  .record({
    annotations: fc.option(annotations, { nil: undefined }),
    istio: fc.boolean(),
    files: fc.boolean(),
    initContainers: fc.option(containers('init', 0), { nil: undefined }),
    containers: containers('main', 1),
    volumes: fc.constantFrom(
      undefined,
      [],
      [{ name: 'data', emptyDir: {} }],
      [driverVolume],
      [{ ...driverVolume, name: 'agent' }],
    ),
  })
  .map(({ annotations, istio, files, initContainers, containers, volumes }) => {
    const templates = istio ? [['inject.istio.io/templates', 'sidecar,spire']] : [];
    const asks = files ? [['signet.dev/files', 'true']] : [];
    const own = annotations ?? (istio || files ? [] : undefined);
    const all = own && [...own, ...templates, ...asks];
    return {
      metadata: {
        labels: { 'signet.dev/inject': 'true' },
        ...(all && { annotations: Object.fromEntries(all) }),
      },
      spec: {
        containers,
        ...(initContainers && { initContainers }),
        ...(volumes && { volumes }),
      },
    };
  });

/** What others do to a pod between two of our passes; each does it once. */
const others: readonly Mutator[] = [
  (pod) => withSpec(pod, { containers: [...pod.spec.containers, { name: 'sidecar' }] }),
  (pod) =>
    withSpec(pod, {
      initContainers: [
        { name: 'native', restartPolicy: 'Always' },
        ...(pod.spec.initContainers ?? []),
      ],
    }),
  (pod) => withSpec(pod, { containers: pod.spec.containers.toReversed() }),
  (pod) =>
    withSpec(pod, { volumes: [{ name: 'config', emptyDir: {} }, ...(pod.spec.volumes ?? [])] }),
  (pod) =>
    withSpec(pod, {
      containers: pod.spec.containers.map((each) => {
        const before = (each['env'] ?? []) as readonly JsonValue[];
        return { ...each, env: [{ name: 'ADDED', value: 'x' }, ...before] };
      }),
    }),
  (pod) => {
    const before = (pod.metadata['annotations'] ?? {}) as JsonObject;
    return { ...pod, metadata: { ...pod.metadata, annotations: { ...before, seen: 'yes' } } };
  },
  (pod) => {
    const before = (pod.metadata['annotations'] ?? {}) as JsonObject;
    if (!Object.hasOwn(before, 'inject.istio.io/templates')) return pod;
    const socket = { name: 'workload-socket', mountPath: '/run/secrets/workload-spiffe-uds' };
    return withSpec(pod, {
      containers: [{ name: 'istio-proxy', volumeMounts: [socket] }, ...pod.spec.containers],
      volumes: [...(pod.spec.volumes ?? []), { ...driverVolume, name: 'workload-socket' }],
    });
  },
];

/** Some of the others in any order, each with whether our webhook runs before it. */
const history = fc
  .shuffledSubarray([...others])
  .chain((steps) =>
    fc.tuple(...steps.map((other) => fc.record({ other: fc.constant(other), pass: fc.boolean() }))),
  );

/** The same pod whatever the order of its lists. */
function sorted(value: JsonValue | undefined): unknown {
  if (Array.isArray(value)) {
    const items: readonly JsonValue[] = value;
    return items.map((item) => JSON.stringify(sorted(item))).toSorted();
  }
  if (!isJsonObject(value)) return value;
  const entries = Object.entries(value).map(([key, member]) => [key, sorted(member)] as const);
  return entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** Whether all of `before` is still in `after`: members kept, list items in their order. */
function isKept(before: JsonValue | undefined, after: JsonValue | undefined): boolean {
  if (before === null) return true;
  if (Array.isArray(before) && Array.isArray(after)) {
    const items: readonly JsonValue[] = before;
    const kept: readonly JsonValue[] = after;
    return items.every((item, index) => isKept(item, kept[index]));
  }
  if (isJsonObject(before) && isJsonObject(after)) {
    return Object.keys(before).every(
      (key) => Object.hasOwn(after, key) && isKept(before[key], after[key]),
    );
  }
  return before === after;
}

suite('a pod that asks', () => {
  test('is the same after two passes as after one', () => {
    fc.assert(
      fc.property(pods, (pod) => {
        const once = inject(pod);
        assert.deepEqual(mutatePod(makeRequest(once), settings).patch, []);
        assert.deepEqual(inject(once), once);
      }),
    );
  });

  test('is served in every container, and keeps all that it had', () => {
    fc.assert(
      fc.property(pods, (pod) => {
        const { metadata, spec } = inject(pod);
        assert.ok(isKept(pod, { metadata, spec } as JsonValue));
        assert.equal(spec.volumes?.filter((volume) => Object.hasOwn(volume, 'csi')).length, 1);
        const [volume] = spec.volumes.filter((each) => Object.hasOwn(each, 'csi'));
        for (const each of [...(spec.initContainers ?? []), ...spec.containers]) {
          const mounts = (each['volumeMounts'] ?? []) as readonly JsonObject[];
          const variables = (each['env'] ?? []) as readonly JsonObject[];
          const ours = mounts.filter(({ mountPath }) => mountPath === mount.mountPath);
          assert.deepEqual(ours, [{ ...mount, name: volume?.['name'] }]);
          assert.equal(variables.filter(({ name }) => name === env.name).length, 1);
        }
      }),
    );
  });

  test('comes out the same wherever other mutators run between our passes', () => {
    fc.assert(
      fc.property(pods, history, (pod, steps) => {
        const last = inject(steps.reduce((at, { other }) => other(at), pod));
        const mixed = inject(
          steps.reduce((at, { other, pass }) => other(pass ? inject(at) : at), pod),
        );
        assert.deepEqual(sorted(mixed as JsonValue), sorted(last as JsonValue));
      }),
      { numRuns: 500 },
    );
  });
});

suite('any JSON at all', () => {
  const requests = fc.record({
    operation: fc.constantFrom('CREATE', 'CREATE', 'UPDATE', ''),
    subresource: fc.constantFrom('', '', 'ephemeralcontainers', 'status'),
    namespace: fc.record({
      name: fc.constantFrom('agents', 'kube-system', ''),
      labels: fc.constantFrom({}, { 'signet.dev/inject': 'true' }),
    }),
    pod: arbitraryJson,
    oldPod: arbitraryJson,
  });

  test('is never thrown at, never changed in what it has, and settles after one pass', () => {
    const reasons = new Set<string>();
    fc.assert(
      fc.property(requests, (request) => {
        const { patch, warnings, reason } = mutatePod(request, settings);
        reasons.add(reason);
        assert.equal(patch.length > 0, reason === 'Injected');
        if (reason === 'Malformed') assert.equal(warnings.length, 1);
        for (const warning of warnings) assert.ok(warning.length <= 256, warning);
        const pod = applyPatch(request.pod, patch);
        assert.ok(isKept(request.pod, pod));
        assert.deepEqual(mutatePod({ ...request, pod }, settings).patch, []);
      }),
      { numRuns: 2000 },
    );
    for (const reason of [
      'Injected',
      'MountedByAuthor',
      'Malformed',
      'NotAsked',
      'NotApplicable',
    ]) {
      assert.ok(reasons.has(reason), `the generator reaches ${reason}`);
    }
  });
});
