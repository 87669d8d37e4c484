// Raw Kubernetes objects with what identities depend on, and a view that was fed with some.

import {
  type IdentityKind,
  IdentityView,
  keyOf,
  type ObjectChange,
} from '../../../src/identity/identity-view.ts';
import type { Slot } from '../../../src/identity/policy-matcher.ts';
import { policyFailures, policyStats } from '../../../src/identity/policy-report.ts';
import type { PolicyStats } from '../../../src/identity/policy-tally.ts';
import {
  DEFAULT_IDENTITY_SETTINGS,
  type IdentitySettings,
} from '../../../src/identity/settings.ts';
import { staticEntryStatus } from '../../../src/identity/static-entry-status.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';

export const NOW = Date.parse('2026-01-01T12:00:00Z');
export const SA_TEMPLATE =
  'spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}';
export const SA_ID = 'spiffe://example.org/ns/city/sa/agent';

export function settings(change: Partial<IdentitySettings> = {}): IdentitySettings {
  return {
    ...DEFAULT_IDENTITY_SETTINGS,
    trustDomain: parseTrustDomain('example.org'),
    ...change,
  };
}

/** A pod `city/web-0` on `node-1`; parts of it changed. */
export function pod(change: JsonObject = {}, spec: JsonObject = {}): JsonObject {
  return {
    metadata: { namespace: 'city', name: 'web-0', uid: 'uid-web-0', ...change },
    spec: {
      nodeName: 'node-1',
      serviceAccountName: 'agent',
      containers: [{ name: 'main', image: 'registry.test/agent:1' }],
      ...spec,
    },
    status: { phase: 'Running' },
  };
}

export function namespace(name = 'city', labels: JsonObject = {}): JsonObject {
  return { metadata: { name, labels: { 'kubernetes.io/metadata.name': name, ...labels } } };
}

export function node(name = 'node-1', labels: JsonObject = {}): JsonObject {
  return { metadata: { name, uid: `uid-${name}`, labels }, spec: {} };
}

export function policy(name: string, spec: JsonObject = {}, metadata: JsonObject = {}): JsonObject {
  return {
    metadata: {
      name,
      uid: `uid-${name}`,
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...metadata,
    },
    spec: { spiffeIDTemplate: SA_TEMPLATE, ...spec },
  };
}

export const NODE_AGENT = 'spiffe://example.org/spire/agent/k8s_psat/cluster/uid-node-1';
export const SERVER = 'spiffe://example.org/spire/server';
export const STATIC_ID = 'spiffe://example.org/batch';

/** A static entry for the ServiceAccount `city/agent` on `node-1`. */
export function staticEntry(
  name: string,
  spec: JsonObject = {},
  metadata: JsonObject = {},
): JsonObject {
  const creationTimestamp = '2026-01-01T00:00:00Z';
  const selectors = ['k8s:ns:city', 'k8s:sa:agent'];
  return {
    metadata: { name, uid: `uid-${name}`, creationTimestamp, generation: 3, ...metadata },
    spec: { spiffeID: STATIC_ID, parentID: NODE_AGENT, selectors, ...spec },
  };
}

export function restriction(name: string, spec: JsonObject): JsonObject {
  return { metadata: { name, uid: `uid-${name}` }, spec };
}

export function service(name: string, spec: JsonObject = {}, namespace = 'city'): JsonObject {
  return { metadata: { namespace, name, uid: `uid-${name}` }, spec };
}

/** A slice of a Service that names pods by UID. */
export function slice(
  serviceName: string,
  podUids: readonly string[],
  change: JsonObject = {},
): JsonObject {
  return {
    metadata: {
      namespace: 'city',
      name: `${serviceName}-slice`,
      labels: { 'kubernetes.io/service-name': serviceName },
      ownerReferences: [{ kind: 'Service', name: serviceName, uid: `uid-${serviceName}` }],
      ...change,
    },
    endpoints: podUids.map((uid) => ({ targetRef: { kind: 'Pod', uid } })),
  };
}

/** The change that says an object is so, or, with `isGone`, that it is gone. */
export function change(kind: IdentityKind, object: JsonObject, isGone = false): ObjectChange {
  return { kind, ...keyOf(object), object: isGone ? undefined : object };
}

/** A view of the namespace `city`, the node `node-1` and what else is given. */
export class TestView extends IdentityView {
  constructor(change: Partial<IdentitySettings> = {}) {
    super(settings(change));
    this.set('Namespace', namespace());
    this.set('Node', node());
  }

  set(kind: IdentityKind, ...objects: readonly JsonObject[]): readonly string[] {
    return objects.flatMap((object) => this.apply(change(kind, object)));
  }

  remove(kind: IdentityKind, object: JsonObject): void {
    this.apply(change(kind, object, true));
  }

  ids(uid = 'uid-web-0', now = NOW): readonly string[] {
    return this.decision(uid, now)?.identities.map(({ spiffeId }) => spiffeId) ?? [];
  }

  policies(uid = 'uid-web-0'): readonly string[] {
    return this.decision(uid, NOW)?.identities.map((identity) => identity.policy) ?? [];
  }

  refusal(uid = 'uid-web-0', now = NOW): string | undefined {
    return this.decision(uid, now)?.refusal;
  }

  stats(name: string): PolicyStats {
    return policyStats(this.index, this.#slot(name));
  }

  /** As `reason: message`. */
  failures(name: string): readonly string[] {
    return policyFailures(this.index, this.#slot(name)).map(
      ({ namespace, pod, reason, message }) => `${namespace}/${pod}: ${reason}: ${message}`,
    );
  }

  #slot(name: string): Slot {
    const slot = this.index.matcher.get(name);
    if (slot === undefined) throw new Error(`${name} is not in the index`);
    return slot;
  }
}

/** `rendered masked set`, and the reason of Ready. */
export function standing(view: IdentityView, name: string): string {
  const status = staticEntryStatus(view, name, { previous: [], now: NOW });
  if (status === undefined) return 'no status';
  const { rendered, masked, set, conditions } = status;
  const facts = [rendered && 'rendered', masked && 'masked', set && 'set'].filter(Boolean);
  return [...facts, conditions[0]?.reason].join(' ');
}
