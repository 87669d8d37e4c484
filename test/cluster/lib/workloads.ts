// Objects that make pods, each with a pod on every node: for the test of who gets an identity.

import { type AgentPod, agentPod, podTemplate } from './agent-pod.ts';
import { INJECT } from './identities.ts';
import { AGENT_IMAGE } from './images.ts';
import type { KubeObject, Pod } from './kube-object.ts';

export type Place = { readonly namespace: string; readonly nodes: readonly string[] };

/** Asks once; only the first attempt of the first start counts. */
const ONCE = { args: ['once'] } as const;
/** The same for what has to go on running. */
const ONCE_AND_STAY = {
  command: ['sh', '-c'],
  args: ['node --enable-source-maps /app/agent.mjs once || exit 1; exec sleep 1000000'],
} as const;

/** What may run in a namespace that enforces `restricted`. */
export const RESTRICTED = {
  spec: {
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 1000,
      seccompProfile: { type: 'RuntimeDefault' },
    },
  },
  container: {
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
  },
} as const;

/** Two containers more, before and beside the one every pod has. */
export const INIT_CONTAINER = container('first', ONCE);
export const SIDECAR = { ...container('beside', ONCE_AND_STAY), restartPolicy: 'Always' };

/** Pods whose labels and place in the cluster are the same for all kinds. */
export function onEachNode(
  place: Place,
  app: string,
  more: Pick<AgentPod, 'spec' | 'container'> = {},
): readonly Pod[] {
  const { namespace } = place;
  return place.nodes.map((node) =>
    agentPod({
      namespace,
      name: `${app}-${node}`,
      node,
      labels: { app, ...INJECT },
      ...ONCE,
      ...more,
    }),
  );
}

export function deployment(place: Place, app: string): KubeObject {
  return workload(place, app, { kind: 'Deployment', spec: staying(place, app) });
}

export function statefulSet(place: Place, app: string): KubeObject {
  const spec = { ...staying(place, app), serviceName: app, podManagementPolicy: 'Parallel' };
  return workload(place, app, { kind: 'StatefulSet', spec });
}

export function job(place: Place, app: string): KubeObject {
  return batch(place, app, { kind: 'Job', spec: jobSpec(place, app) });
}

export function cronJob(place: Place, app: string): KubeObject {
  const jobTemplate = { spec: jobSpec(place, app) };
  return batch(place, app, { kind: 'CronJob', spec: { schedule: '0 0 1 1 *', jobTemplate } });
}

/** As `kubectl create job --from`. */
export function jobOf(cronJob: KubeObject): KubeObject {
  const { spec } = cronJob as unknown as { spec: { jobTemplate: { spec: object } } };
  const { namespace, name = '' } = cronJob.metadata;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { ...(namespace === undefined ? {} : { namespace }), name: `${name}-now` },
    spec: spec.jobTemplate.spec,
  };
}

function workload(
  { namespace }: Place,
  name: string,
  { kind, spec }: { kind: string; spec: object },
): KubeObject {
  return { apiVersion: 'apps/v1', kind, metadata: { namespace, name }, spec };
}

function batch(
  { namespace }: Place,
  name: string,
  { kind, spec }: { kind: string; spec: object },
): KubeObject {
  return { apiVersion: 'batch/v1', kind, metadata: { namespace, name }, spec };
}

function staying({ namespace, nodes }: Place, app: string): object {
  const labels = { app, ...INJECT };
  return {
    replicas: nodes.length,
    selector: { matchLabels: { app } },
    template: podTemplate({
      namespace,
      labels,
      restartPolicy: 'Always',
      spec: spread(app),
      ...ONCE_AND_STAY,
    }),
  };
}

function jobSpec({ namespace, nodes }: Place, app: string): object {
  return {
    completions: nodes.length,
    parallelism: nodes.length,
    backoffLimit: 0,
    template: podTemplate({ namespace, labels: { app, ...INJECT }, spec: spread(app), ...ONCE }),
  };
}

function spread(app: string): object {
  const constraint = {
    maxSkew: 1,
    topologyKey: 'kubernetes.io/hostname',
    whenUnsatisfiable: 'DoNotSchedule',
    labelSelector: { matchLabels: { app } },
  };
  return { topologySpreadConstraints: [constraint] };
}

function container(name: string, what: object): object {
  return { name, image: AGENT_IMAGE, imagePullPolicy: 'Never', ...what };
}
