// What every part of the controller works with.

import type { AuditLog } from '../audit/audit-log.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { KubeClient } from '../kube/kube-client.ts';
import type { ClusterState } from './cluster-state.ts';

export type ControllerContext = {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where Signet is installed. */
  readonly namespace: string;
  readonly driverName: string;
  readonly state: ClusterState;
  /** For what it changes; default: nobody is told. */
  readonly audit?: AuditLog;
};

/** Who the fields belong to that the controller writes. */
export const FIELD_MANAGER = 'signet-controller';

/** Of every object that the controller makes. */
export const OWN_LABELS: Readonly<Record<string, string>> = {
  'app.kubernetes.io/name': 'signet',
  'app.kubernetes.io/component': 'controller',
  'app.kubernetes.io/managed-by': 'signet',
};
