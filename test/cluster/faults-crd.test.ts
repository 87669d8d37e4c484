// Another tool puts a schema of ClusterSPIFFEID without our fields over ours, as it does when upstream's
// is applied again: who was suspended stays so, everybody else stays served.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { attached, freshNamespace } from './lib/attached.ts';
import { until } from './lib/commands.ts';
import { allAfter, eachAfter, isUpdate, leave, startFleet } from './lib/faults.ts';
import { appIdentity, remove, restriction } from './lib/identities.ts';
import { ApiError } from './lib/kube-api.ts';
import { type KubeObject, objectPath, type Pod } from './lib/kube-object.ts';

type Crd = KubeObject & { readonly spec: { readonly versions: readonly object[] } };
type Policy = KubeObject & { readonly spec: { readonly priority?: number } };

const cluster = attached();
const CRD =
  '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/clusterspiffeids.spire.spiffe.io';
/** Longer than a schema takes to be in force, and watches of that kind to begin anew. */
const SETTLE_MS = 10_000;
const TEXT = { type: 'string' } as const;
const FLAG = { type: 'boolean' } as const;
const TEXTS = { type: 'array', items: TEXT } as const;
const SELECTOR = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } as const;
const FOREIGN = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        spiffeIDTemplate: TEXT,
        podSelector: SELECTOR,
        namespaceSelector: SELECTOR,
        dnsNameTemplates: TEXTS,
        workloadSelectorTemplates: TEXTS,
        ttl: TEXT,
        jwtTtl: TEXT,
        federatesWith: TEXTS,
        admin: FLAG,
        downstream: FLAG,
        autoPopulateDNSNames: FLAG,
        className: TEXT,
        fallback: FLAG,
        hint: TEXT,
      },
    },
    status: {
      type: 'object',
      properties: { stats: { type: 'object', additionalProperties: { type: 'integer' } } },
    },
  },
};

suite('a schema of somebody else over ours', () => {
  const names = { free: '', suspended: '' };
  let free: readonly Pod[] = [];
  let suspended: readonly Pod[] = [];
  let ours: Crd;
  const suspension = (): KubeObject =>
    restriction(names.suspended, { match: { namespace: names.suspended }, suspend: true });
  before(async () => {
    ours = await cluster.api.get<Crd>(CRD);
    for (const kind of ['free', 'suspended'] as const) {
      names[kind] = await freshNamespace(cluster, `faults-${kind}`);
      await cluster.api.apply(appIdentity(names[kind], { priority: 5 }));
    }
    const fleet = { prefix: 'hold', count: 2 };
    free = await startFleet(cluster, { ...fleet, namespace: names.free });
    suspended = await startFleet(cluster, { ...fleet, namespace: names.suspended });
    const begun = Date.now();
    await cluster.api.apply(suspension());
    await eachAfter({ cluster, pods: suspended, since: begun }, isDenied);
  });
  after(async () => {
    await putSchemas(ours.spec.versions);
    await remove(cluster, suspension());
    for (const namespace of Object.values(names)) {
      await leave(cluster, namespace);
    }
  });

  test('lifts no suspension, and takes no identity', async () => {
    const begun = Date.now();
    await putSchemas(
      ours.spec.versions.map((version) => ({ ...version, schema: { openAPIV3Schema: FOREIGN } })),
    );
    for (const namespace of Object.values(names)) {
      const path = objectPath(appIdentity(namespace));
      // Written again it has lost what that schema does not know.
      await hasPriority(path, undefined);
      const metadata = { labels: { touched: 'yes' } };
      await retried(async () => await cluster.api.merge(path, { metadata }));
    }
    await sleep(SETTLE_MS);
    assert.deepEqual((await allAfter(cluster, suspended, begun)).filter(isUpdate), []);
    assert.deepEqual((await allAfter(cluster, free, begun)).filter(isDenied), []);
    await startFleet(cluster, { namespace: names.free, prefix: 'new', count: 1 });

    await putSchemas(ours.spec.versions);
    for (const namespace of Object.values(names)) {
      const path = objectPath(appIdentity(namespace));
      await takesPriority(path, 5);
    }
    await sleep(SETTLE_MS / 2);
    assert.deepEqual((await allAfter(cluster, suspended, begun)).filter(isUpdate), []);
    assert.deepEqual((await allAfter(cluster, free, begun)).filter(isDenied), []);
    // It was the suspension that held: without it they are served.
    const lifted = Date.now();
    await cluster.api.delete(objectPath(suspension()));
    await eachAfter({ cluster, pods: suspended, since: lifted }, isUpdate);
  });
});

async function putSchemas(versions: readonly object[]): Promise<void> {
  const now = await cluster.api.get<Crd>(CRD);
  const body = { ...now, spec: { ...now.spec, versions } };
  await cluster.api.text({ method: 'PUT', path: CRD, body });
}

async function hasPriority(path: string, priority: number | undefined): Promise<void> {
  await until(`priority ${priority}`, async () => {
    const policy = await retried(async () => await cluster.api.get<Policy>(path));
    return policy.spec.priority === priority ? true : undefined;
  });
}

/** Until a schema is in force, what is written is pruned by the one before: so it is written again. */
async function takesPriority(path: string, priority: number): Promise<void> {
  await until(`priority ${priority}`, async () => {
    const write = async (): Promise<Policy> =>
      await cluster.api.merge<Policy>(path, { spec: { priority } });
    return (await retried(write)).spec.priority === priority ? true : undefined;
  });
}

/** A kind whose schema has just changed answers 429 for a moment. */
async function retried<T>(ask: () => Promise<T>): Promise<T> {
  const { answer } = await until('the kind to be served', async () => {
    try {
      return { answer: await ask() };
    } catch (thrown) {
      if (thrown instanceof ApiError && thrown.status === 429) return undefined;
      throw thrown;
    }
  });
  return answer;
}

function isDenied(line: Readonly<Record<string, unknown>>): boolean {
  return line['code'] === 'permission-denied';
}
