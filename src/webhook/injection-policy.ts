// Injection without a webhook, for API servers that can (Kubernetes 1.36): MutatingAdmissionPolicies
// that add what the injection table says to the pods that opt in. Debug containers need the webhook.

import type { JsonObject } from '../template/json-value.ts';
import { celAnnotationHas, celExists, celHasKey, celString } from './cel.ts';
import { filesVariables, VOLUME_ATTRIBUTES } from './files-policy.ts';
import { type InjectionTable, injectionTable } from './injection-table.ts';
import { ISTIO_VOLUME } from './mutate-pod.ts';
import { ISTIO_TEMPLATES_ANNOTATION } from './opt-in.ts';
import {
  labelSelector,
  OPT_IN_ENTRIES,
  type OptInEntry,
  outsideOwnNamespace,
  POD_CONDITIONS,
} from './opt-in-entries.ts';
import type { WebhookSettings } from './webhook-settings.ts';

const API_VERSION = 'admissionregistration.k8s.io/v1';

/** A policy and its binding for each way to opt in; `name` begins all their names. */
export function injectionPolicies(name: string, settings: WebhookSettings): readonly JsonObject[] {
  return OPT_IN_ENTRIES.flatMap((entry) => {
    const policyName = `${name}-inject-${entry.name}`;
    return [
      {
        apiVersion: API_VERSION,
        kind: 'MutatingAdmissionPolicy',
        metadata: { name: policyName },
        spec: policySpec(entry, settings),
      },
      {
        apiVersion: API_VERSION,
        kind: 'MutatingAdmissionPolicyBinding',
        metadata: { name: policyName },
        spec: { policyName },
      },
    ];
  });
}

function policySpec(entry: OptInEntry, settings: WebhookSettings): JsonObject {
  const table = injectionTable(settings.driverName);
  return {
    failurePolicy: 'Fail',
    reinvocationPolicy: 'IfNeeded',
    matchConstraints: {
      matchPolicy: 'Equivalent',
      namespaceSelector: labelSelector([outsideOwnNamespace(settings), ...entry.namespaceLabels]),
      objectSelector: labelSelector(entry.podLabels),
      resourceRules: [
        {
          apiGroups: [''],
          apiVersions: ['v1'],
          resources: ['pods'],
          operations: ['CREATE'],
          scope: 'Namespaced',
        },
      ],
    },
    matchConditions: [...POD_CONDITIONS, ...entry.conditions, ...leftAlone(entry)],
    variables: variables(table, settings.driverName),
    mutations: [
      { patchType: 'ApplyConfiguration', applyConfiguration: { expression: mutation(table) } },
    ],
  };
}

/** What other injectors serve themselves, when nobody asked us by our own label. */
function leftAlone({ name }: OptInEntry) {
  const expression = `!${celAnnotationHas(ISTIO_TEMPLATES_ANNOTATION, ['spire'])}`;
  return name === 'spire-managed' ? [{ name: 'not-left-to-istio', expression }] : [];
}

/** Each may use those before it. They say step by step what `inject` in mutate-pod.ts says. */
function variables(table: InjectionTable, driverName: string): readonly JsonObject[] {
  const ours = `has(x.csi) && x.csi.driver == ${celString(driverName)}`;
  const named = `x.name == ${celString(table.volume.name)}`;
  const notIstios = `.filter(x, !variables.asksForIstio || x != ${celString(ISTIO_VOLUME)})`;
  const name = celString(table.volume.name);
  const mounts = (list: string) => celExists('x.volumeMounts', `x.name in ${list}`);
  return [
    { name: 'asksForIstio', expression: celAnnotationHas(ISTIO_TEMPLATES_ANNOTATION, ['spire']) },
    {
      name: 'driverVolumes',
      expression: `has(object.spec.volumes) ? object.spec.volumes.filter(x, ${ours}).map(x, x.name) : []`,
    },
    { name: 'authorsVolumes', expression: `variables.driverVolumes${notIstios}` },
    {
      name: 'volumeName',
      expression: `variables.authorsVolumes.size() == 0 || ${name} in variables.authorsVolumes ? ${name} : variables.authorsVolumes[0]`,
    },
    {
      name: 'isNameTaken',
      expression: `variables.authorsVolumes.size() == 0 && ${celExists('object.spec.volumes', named)}`,
    },
    {
      name: 'initContainers',
      expression: 'has(object.spec.initContainers) ? object.spec.initContainers : []',
    },
    {
      name: 'isMountedByAuthor',
      expression: [
        `!${celHasKey('object.metadata.annotations', table.annotation.name)}`,
        `(object.spec.containers.exists(x, ${mounts('variables.authorsVolumes')}) || variables.initContainers.exists(x, ${mounts('variables.authorsVolumes')}))`,
      ].join(' && '),
    },
    ...filesVariables(table),
    { name: 'newContainers', expression: `object.spec.containers.filter(x, ${unserved(table)})` },
    {
      name: 'newInitContainers',
      expression: `variables.initContainers.filter(x, ${unserved(table)})`,
    },
    {
      name: 'isNeeded',
      expression:
        '!variables.isNameTaken && !variables.isMountedByAuthor && variables.newContainers.size() + variables.newInitContainers.size() > 0',
    },
  ];
}

/** Of a container `x`: it mounts no volume of ours, and has nothing at or below our path. */
function unserved({ mount }: InjectionTable): string {
  return `!${celExists('x.volumeMounts', `x.name in variables.driverVolumes || ${atOrBelow(mount)}`)}`;
}

/** Of a mount `x`. */
function atOrBelow({ mountPath }: InjectionTable['mount']): string {
  const at = `x.mountPath == ${celString(mountPath)}`;
  return `${at} || x.mountPath.startsWith(${celString(`${mountPath}/`)})`;
}

/**
 * Lists of a pod merge by name or path, so it is enough to write what is new. A variable that its
 * author set is left out, else it would be overwritten.
 */
function mutation(table: InjectionTable): string {
  const { annotation, volume } = table;
  return `variables.isNeeded ? Object{
  metadata: Object.metadata{annotations: {${celString(annotation.name)}: ${celString(annotation.value)}}},
  spec: Object.spec{
    volumes: (variables.authorsVolumes.size() > 0 ? [] : [Object.spec.volumes{
      name: ${celString(volume.name)},
      csi: Object.spec.volumes.csi{${members(volume.csi)}, ${VOLUME_ATTRIBUTES}}
    }]) + (!variables.needsFilesVolume ? [] : [Object.spec.volumes{
      name: variables.filesVolume,
      emptyDir: Object.spec.volumes.emptyDir{${members(table.files.volume.emptyDir)}}
    }]),
    initContainers: ${containers('newInitContainers', 'initContainers', table)},
    containers: ${containers('newContainers', 'containers', table)}
  }
} : Object{}`;
}

function containers(
  variable: string,
  field: string,
  { mount, env, files }: InjectionTable,
): string {
  const type = `Object.spec.${field}`;
  const hasFiles = `variables.hasFiles && !${celExists('c.volumeMounts', atOrBelow(files.mount))}`;
  const isSet = celExists('c.env', `x.name == ${celString(env.name)}`);
  return `variables.${variable}.map(c, ${type}{
      name: c.name,
      volumeMounts: [${type}.volumeMounts{name: variables.volumeName, ${members(mount)}}] +
        (${hasFiles} ? [${type}.volumeMounts{name: variables.filesVolume, ${members(files.mount)}}] : []),
      env: ${isSet} ? [] : [${type}.env{${members(env)}}]
    })`;
}

/** Texts and flags, the members that the injection table has, are written as in JSON. */
function members(object: JsonObject): string {
  return Object.entries(object)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
    .join(', ');
}
