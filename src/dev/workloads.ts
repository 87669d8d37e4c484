// Plays the workload controllers: the pods that a Deployment, StatefulSet or Job stands for, with the
// labels and owners that a cluster gives them. Names are stable, so an edit changes pods in place.

import { createHash } from 'node:crypto';
import { invalid } from '../base/errors.ts';
import { objectIn } from '../identity/objects.ts';
import { type JsonObject, ownValue } from '../template/json-value.ts';
import type { ManifestObject } from './read-manifests.ts';

const MAX_REPLICAS = 250;

type Owner = { readonly kind: string; readonly name: string; readonly apiVersion: string };
type Replica = { readonly name: string; readonly labels: JsonObject };

/** The pods of a workload; throws `invalid-argument` for a spec that makes none. */
export function podsOf(workload: ManifestObject): readonly ManifestObject[] {
  const spec = objectIn(workload.object, 'spec');
  const template = objectIn(spec, 'template');
  const podSpec = ownValue(template, 'spec');
  if (podSpec === undefined) {
    throw invalid(
      `${workload.source}: ${workload.kind} ${workload.name}: spec.template.spec is missing`,
    );
  }
  const metadata = objectIn(template, 'metadata');
  const owner = ownerOf(workload);
  return replicasOf(workload, replicaCount(workload, spec)).map(({ name, labels }) => ({
    ...workload,
    apiVersion: 'v1',
    kind: 'Pod',
    name,
    object: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        ...metadata,
        name,
        namespace: workload.namespace,
        labels: { ...objectIn(metadata, 'labels'), ...labels },
        ownerReferences: [
          {
            apiVersion: owner.apiVersion,
            kind: owner.kind,
            name: owner.name,
            uid: uidOf(owner.kind, workload.namespace, owner.name),
            controller: true,
            blockOwnerDeletion: true,
          },
        ],
      },
      spec: podSpec,
    },
  }));
}

/** A UID that an object keeps over edits and restarts, in the form of a UUID. */
export function uidOf(kind: string, namespace: string, name: string): string {
  const hex = createHash('sha256')
    .update(JSON.stringify([kind, namespace, name]))
    .digest('hex');
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}

function replicaCount({ kind, name, source }: ManifestObject, spec: JsonObject): number {
  const field = kind === 'Job' ? 'completions' : 'replicas';
  const count = ownValue(spec, field) ?? 1;
  if (typeof count === 'number' && Number.isInteger(count) && count >= 0 && count <= MAX_REPLICAS) {
    return count;
  }
  throw invalid(`${source}: ${kind} ${name}: spec.${field} must be a number up to ${MAX_REPLICAS}`);
}

function ownerOf({ kind, name }: ManifestObject): Owner {
  switch (kind) {
    case 'Deployment':
      return { kind: 'ReplicaSet', name: `${name}-${templateHash(name)}`, apiVersion: 'apps/v1' };
    case 'StatefulSet':
      return { kind, name, apiVersion: 'apps/v1' };
    default:
      return { kind, name, apiVersion: 'batch/v1' };
  }
}

function replicasOf(workload: ManifestObject, count: number): readonly Replica[] {
  const { kind, namespace, name } = workload;
  return Array.from({ length: count }, (_, index) => {
    switch (kind) {
      case 'Deployment': {
        const hash = templateHash(name);
        const suffix = shortHash(`${namespace}/${name}/${index}`, 5);
        return { name: `${name}-${hash}-${suffix}`, labels: { 'pod-template-hash': hash } };
      }
      case 'StatefulSet': {
        const pod = `${name}-${index}`;
        return {
          name: pod,
          labels: {
            'apps.kubernetes.io/pod-index': String(index),
            'statefulset.kubernetes.io/pod-name': pod,
          },
        };
      }
      default:
        return {
          name: `${name}-${shortHash(`${namespace}/${name}/${index}`, 5)}`,
          labels: { 'batch.kubernetes.io/job-name': name },
        };
    }
  });
}

function templateHash(name: string): string {
  return shortHash(`template/${name}`, 10);
}

/** Letters and digits without vowels, as Kubernetes' own suffixes: they never spell a word. */
function shortHash(text: string, length: number): string {
  const alphabet = 'bcdfghjklmnpqrstvwxz2456789';
  const bytes = createHash('sha256').update(text).digest().subarray(0, length);
  return [...bytes].map((byte) => alphabet.charAt(byte % alphabet.length)).join('');
}
