// What a pod of a cluster has of its identity in its own spec: the volume, who mounts it, what the
// webhook had to say, and what lets others in.

import type { JsonObject } from '../template/json-value.ts';
import { driverVolumes, mountsAny, parseAdmissionPod } from '../webhook/admission-pod.ts';
import { injectionTable } from '../webhook/injection-table.ts';
import { type InjectionReason, mutatePod } from '../webhook/mutate-pod.ts';
import type { WebhookSettings } from '../webhook/webhook-settings.ts';
import { textAt, valueAt } from './cluster/reader.ts';

export type MountState = {
  /** Names of the driver's volumes. */
  readonly volumes: readonly string[];
  /** Containers that mount one of them, and those that do not. */
  readonly mountedBy: readonly string[];
  readonly notMountedBy: readonly string[];
  readonly injection: {
    readonly injected: boolean;
    readonly reason: InjectionReason;
    readonly message: string;
  };
  /** Whoever comes in by these is the pod. */
  readonly doors: readonly string[];
};

const MESSAGES: { readonly [reason in InjectionReason]?: string } = {
  Injected: 'asks for injection, but was made without it: the webhook was not there; make it again',
  NothingToAdd: 'has everything that injection adds',
  NotAsked: 'did not ask for injection (label signet.dev/inject: "true" on it or its namespace)',
  OptedOut: 'opted out by its label signet.dev/inject: "false"',
  LeftToIstio: "is left to Istio's own injector",
  MountedByAuthor: 'has the volume from its author, who chose which containers mount it',
  NamespaceExcluded: 'is in a namespace that is never injected',
};

export function mountState(
  pod: JsonObject,
  namespace: { readonly name: string; readonly labels: JsonObject },
  settings: WebhookSettings,
): MountState {
  const parsed = parseAdmissionPod(pod);
  const volumes = driverVolumes(parsed, settings.driverName);
  const nameOfContainer = ({ name }: { readonly name: unknown }) => String(name);
  const again = mutatePod(
    { operation: 'CREATE', subresource: '', namespace, pod, oldPod: null },
    settings,
  );
  const { annotation } = injectionTable(settings.driverName);
  const doors = ['shareProcessNamespace', 'hostPID'].filter(
    (door) => valueAt(pod, 'spec', door) === true,
  );
  return {
    volumes: volumes.map(nameOfContainer),
    mountedBy: parsed.containers.filter((each) => mountsAny(each, volumes)).map(nameOfContainer),
    notMountedBy: parsed.containers
      .filter((each) => !mountsAny(each, volumes))
      .map(nameOfContainer),
    injection: {
      injected: textAt(parsed.annotations ?? {}, annotation.name) === annotation.value,
      reason: again.reason,
      message: [MESSAGES[again.reason] ?? again.reason, ...again.warnings].join('; '),
    },
    doors,
  };
}

export function mountText(state: MountState): readonly string[] {
  const { volumes, mountedBy, notMountedBy, injection, doors } = state;
  const without = notMountedBy.length === 0 ? '' : `; not by ${notMountedBy.join(', ')}`;
  return [
    volumes.length === 0
      ? 'volume: none: no container can reach the Workload API'
      : `volume: ${volumes.join(', ')}, mounted by ${mountedBy.join(', ') || 'nobody'}${without}`,
    `injection: ${injection.message}`,
    ...doors.map((door) => `${door}: whoever gets in there has this pod's identity`),
  ];
}
