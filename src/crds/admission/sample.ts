// A pod and a node with every part that templates usually read, to try templates on at admission.

import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import type { JsonObject } from '../../template/json-value.ts';
import type { TemplateData } from '../../template/template.ts';

/** What a template knows of the installation. */
export type AdmissionSettings = {
  readonly trustDomain: TrustDomain;
  readonly clusterName: string;
  readonly clusterDomain: string;
  /** Which claims policies may set; left out: the usual ones. */
  readonly claimNames?: readonly string[];
  /** In `strict` what a pod's author could choose is refused; left out: `drop-in`. */
  readonly profile?: 'drop-in' | 'strict';
};

/** What every label and annotation of the sample says. */
const VALUE = 'sample';
/** Names that a template could look up: its string constants, and what stands behind a dot. */
const NAMES = /"([^"\\]*)"|`([^`]*)`|\.([A-Za-z_]\w*)/g;
const MAX_NAMES = 256;

/** The data for one template; labels and annotations have whatever names its text holds. */
export function sampleData(settings: AdmissionSettings, source: string): TemplateData {
  const names = [...source.matchAll(NAMES)].slice(0, MAX_NAMES);
  const entries = names.map((match) => [match[1] ?? match[2] ?? match[3] ?? '', VALUE] as const);
  const strings = Object.fromEntries([['app', VALUE], ...entries]) as JsonObject;
  const metadata = (name: string, uid: string): JsonObject => ({
    name,
    uid,
    generateName: `${name}-`,
    resourceVersion: '1',
    generation: 1,
    creationTimestamp: '2026-01-31T12:00:00Z',
    labels: strings,
    annotations: strings,
  });
  return {
    ...installation(settings),
    pod: {
      metadata: {
        ...metadata('sample-pod', '11111111-2222-4333-8444-555555555555'),
        namespace: 'sample-namespace',
        finalizers: ['example.org/sample'],
        ownerReferences: [OWNER],
      },
      spec: POD_SPEC,
    },
    node: {
      metadata: metadata('sample-node', '66666666-7777-4888-8999-aaaaaaaaaaaa'),
      spec: NODE_SPEC,
    },
  };
}

/** A pod and a node with hardly anything set, which take the other way through conditions. */
export function bareData(settings: AdmissionSettings): TemplateData {
  const metadata = (name: string): JsonObject => ({ name, labels: {}, annotations: {} });
  return {
    ...installation(settings),
    pod: {
      metadata: { ...metadata('other-pod'), namespace: 'other-namespace' },
      spec: { containers: [{ name: 'other' }] },
    },
    node: { metadata: metadata('other-node'), spec: {} },
  };
}

function installation({ trustDomain, clusterName, clusterDomain }: AdmissionSettings) {
  return { trustDomain, clusterName, clusterDomain };
}

const OWNER: JsonObject = {
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  name: 'sample-owner',
  uid: 'bbbbbbbb-cccc-4ddd-8eee-ffffffffffff',
  controller: true,
  blockOwnerDeletion: true,
};

const CONTAINER: JsonObject = {
  name: 'main',
  image: 'registry.example/sample:1',
  command: ['run'],
  args: ['--sample'],
  workingDir: '/',
  ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
  env: [{ name: 'SAMPLE', value: VALUE }],
  resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '1', memory: '1Gi' } },
  volumeMounts: [{ name: 'sample', mountPath: '/sample' }],
  imagePullPolicy: 'IfNotPresent',
  securityContext: { runAsUser: 1000, runAsGroup: 1000, runAsNonRoot: true },
};

const POD_SPEC: JsonObject = {
  serviceAccountName: 'sample-account',
  nodeName: 'sample-node',
  hostname: 'sample-host',
  subdomain: 'sample-subdomain',
  schedulerName: 'default-scheduler',
  priorityClassName: 'sample-priority',
  runtimeClassName: 'sample-runtime',
  restartPolicy: 'Always',
  dnsPolicy: 'ClusterFirst',
  priority: 1,
  terminationGracePeriodSeconds: 30,
  automountServiceAccountToken: true,
  shareProcessNamespace: false,
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000, runAsNonRoot: true },
  containers: [CONTAINER],
  initContainers: [CONTAINER],
  volumes: [{ name: 'sample', emptyDir: {} }],
  tolerations: [{ key: 'sample', operator: 'Exists', effect: 'NoSchedule' }],
  imagePullSecrets: [{ name: 'sample' }],
};

const NODE_SPEC: JsonObject = {
  providerID: 'sample://zone/node',
  podCIDR: '10.0.0.0/24',
  podCIDRs: ['10.0.0.0/24'],
  taints: [{ key: 'sample', value: VALUE, effect: 'NoSchedule' }],
};
