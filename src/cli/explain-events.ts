// What Kubernetes has noted about a pod that has to do with its identity: Events of ours, and of the
// kubelet about a volume of the driver.

import { segment } from '../kube/kube-client.ts';
import type { JsonObject } from '../template/json-value.ts';
import {
  type ClusterReader,
  nameOf,
  numberAt,
  objectAt,
  objectsIn,
  textAt,
} from './cluster/reader.ts';

export type PodEvent = {
  readonly at: string;
  readonly type: string;
  readonly reason: string;
  readonly count: number;
  readonly message: string;
};

const MOUNT_REASONS: readonly string[] = ['FailedMount', 'FailedAttachVolume'];
const MAX_EVENTS = 20;

/** The last of them, oldest first. */
export async function podEvents(
  reader: ClusterReader,
  pod: JsonObject,
  driverName: string,
): Promise<readonly PodEvent[]> {
  const namespace = textAt(pod, 'metadata', 'namespace');
  const fieldSelector = [
    'involvedObject.kind=Pod',
    `involvedObject.name=${nameOf(pod)}`,
    `involvedObject.uid=${textAt(pod, 'metadata', 'uid')}`,
  ].join(',');
  const path = `/api/v1/namespaces/${segment(namespace)}/events`;
  const volumes = objectsIn(objectAt(pod, 'spec'), 'volumes')
    .filter((volume) => textAt(volume, 'csi', 'driver') === driverName)
    .map((volume) => textAt(volume, 'name'));
  return ((await reader.list(path, { fieldSelector })) ?? [])
    .filter((event) => textAt(event, 'involvedObject', 'uid') === textAt(pod, 'metadata', 'uid'))
    .filter((event) => isOurs(event) || isAbout(event, volumes))
    .map(toEvent)
    .toSorted((a, b) => (a.at < b.at ? -1 : 1))
    .slice(-MAX_EVENTS);
}

function isOurs(event: JsonObject): boolean {
  const by = textAt(event, 'reportingComponent') || textAt(event, 'source', 'component');
  return by.startsWith('signet');
}

function isAbout(event: JsonObject, volumes: readonly string[]): boolean {
  if (!MOUNT_REASONS.includes(textAt(event, 'reason'))) return false;
  const message = textAt(event, 'message');
  return volumes.some((name) => message.includes(`"${name}"`));
}

function toEvent(event: JsonObject): PodEvent {
  return {
    at: textAt(event, 'lastTimestamp') || textAt(event, 'eventTime'),
    type: textAt(event, 'type'),
    reason: textAt(event, 'reason'),
    count: numberAt(event, 'count') || 1,
    message: textAt(event, 'message'),
  };
}
