// What a dev run is told, and whom it tells what happens.

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { PodDecision } from '../identity/pod-identity.ts';
import type { IdentitySettings } from '../identity/settings.ts';
import type { DevBundleEndpoint } from './dev-bundle-endpoint.ts';
import type { DevEnvironment } from './dev-environment.ts';
import type { DevOidc } from './dev-oidc.ts';
import type { RunDirectory } from './run-directory.ts';

export type DevOptions = {
  /** The directory of manifests. */
  readonly manifests: string;
  readonly run: RunDirectory;
  readonly settings: IdentitySettings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly version: string;
  /** What `signet explain` is to be given for pods of this run; as a shell takes it. */
  readonly explainFlags?: string;
  /** Default: false. Nothing here can mount memory, so files need it. */
  readonly allowKeysOnDisk?: boolean;
  /** Left out: no OpenID Connect documents, and no `iss`. */
  readonly oidc?: DevOidc;
  /** Left out: the own bundle is not served to others. */
  readonly bundleEndpoint?: DevBundleEndpoint | undefined;
  readonly listener: DevListener;
};

/** Told what happens, in terms that a person understands. */
export type DevListener = {
  /** Refusals, warnings and files that do not parse. */
  readonly onNotice: (line: string) => void;
  /** A pod's volume is there, or its decision changed: this is what it gets now. */
  readonly onPod: (pod: DevPod) => void;
  /** The OpenID Connect documents are served. */
  readonly onOidc?: (oidc: DevOidc) => void;
  readonly onBundleEndpoint?: (port: number) => void;
  /** How a foreign trust domain fares. */
  readonly onFederation?: (line: string, isProblem: boolean) => void;
  readonly onPodGone: (pod: { readonly namespace: string; readonly name: string }) => void;
  /** A restriction was set or changed. */
  readonly onRestriction: (name: string, dev: DevEnvironment) => void;
};

export type DevPod = {
  readonly decision: PodDecision;
  /** Its Workload API socket, at most 107 bytes. */
  readonly socket: string;
};
