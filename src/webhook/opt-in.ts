// Who asked for injection: labels of ours on the pod or its namespace, or the words that other
// injectors taught people to write. The pod's own label decides over everything else.

import { type JsonObject, type JsonValue, ownValue } from '../template/json-value.ts';
import type { AdmissionPod } from './admission-pod.ts';
import { formatField, quote } from './json-path.ts';

export const INJECT_LABEL = 'signet.dev/inject';
export const INJECT_EPHEMERAL_LABEL = 'signet.dev/inject-ephemeral';

export const COFIDE_NAMESPACE_LABEL = 'spiffe.cofide.io/enabled';
export const COFIDE_MODES_ANNOTATION = 'spiffe.cofide.io/inject';
/** Their sidecars imply the volume; the sidecars themselves are not ours to add. */
const COFIDE_SIDECAR_MODES: readonly string[] = ['helper', 'proxy'];
export const COFIDE_MODES: readonly string[] = ['csi', ...COFIDE_SIDECAR_MODES];

export const SPIRE_MANAGED_LABEL = 'spiffe.io/spire-managed-identity';
export const ISTIO_TEMPLATES_ANNOTATION = 'inject.istio.io/templates';

export type OptIn = {
  readonly reason: 'Asked' | 'NotAsked' | 'OptedOut' | 'LeftToIstio';
  readonly warnings: readonly string[];
};

/** Whether a new pod asks for injection, directly or through its namespace. */
export function readOptIn(pod: AdmissionPod, namespaceLabels: JsonObject): OptIn {
  const own = ownValue(pod.labels, INJECT_LABEL);
  if (own === 'true') return { reason: 'Asked', warnings: [] };
  if (own === 'false') return { reason: 'OptedOut', warnings: [] };
  const warnings =
    own === undefined
      ? []
      : [`${formatField(['metadata', 'labels', INJECT_LABEL])}: must be "true" or "false"`];
  if (ownValue(namespaceLabels, INJECT_LABEL) === 'true') return { reason: 'Asked', warnings };
  if (ownValue(namespaceLabels, COFIDE_NAMESPACE_LABEL) === 'true') {
    const cofide = readCofideModes(pod);
    if (cofide !== undefined) return { reason: 'Asked', warnings: [...warnings, ...cofide] };
  }
  if (ownValue(pod.labels, SPIRE_MANAGED_LABEL) === 'true') {
    return { reason: asksForIstioSpire(pod) ? 'LeftToIstio' : 'Asked', warnings };
  }
  return { reason: 'NotAsked', warnings };
}

/** Whether a stored pod lets debug containers use its identity. */
export function readEphemeralOptIn(pod: AdmissionPod): OptIn['reason'] {
  if (ownValue(pod.labels, INJECT_LABEL) === 'false') return 'OptedOut';
  return ownValue(pod.labels, INJECT_EPHEMERAL_LABEL) === 'true' ? 'Asked' : 'NotAsked';
}

/** Whether Istio's own injector adds the volume to its proxy, in this pod. */
export function asksForIstioSpire(pod: AdmissionPod): boolean {
  return readList(pod, ISTIO_TEMPLATES_ANNOTATION).includes('spire');
}

/** Undefined when no mode asks for the volume, else a warning per mode that we only half serve. */
function readCofideModes(pod: AdmissionPod): readonly string[] | undefined {
  const modes = readList(pod, COFIDE_MODES_ANNOTATION);
  if (!modes.some((mode) => COFIDE_MODES.includes(mode))) return undefined;
  const sidecars = modes.filter((mode) => COFIDE_SIDECAR_MODES.includes(mode));
  const field = formatField(['metadata', 'annotations', COFIDE_MODES_ANNOTATION]);
  return sidecars.map((mode) => `${field}: ${quote(mode)} adds the volume, but no sidecar`);
}

/** The items of a comma-separated annotation. */
function readList(pod: AdmissionPod, annotation: string): readonly string[] {
  const value: JsonValue | undefined = ownValue(pod.annotations ?? {}, annotation);
  return typeof value === 'string' ? value.split(',').map((item) => item.trim()) : [];
}
