// What one policy makes of one pod.

import type { PodIdentity } from '../../../src/identity/pod-identity.ts';
import type { IdentitySettings } from '../../../src/identity/settings.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { NOW, pod, policy, TestView } from './fixtures.ts';

export type Setting = Partial<IdentitySettings>;

export function viewOf(
  spec: JsonObject,
  setting: Setting = {},
  metadata: JsonObject = {},
): TestView {
  const view = new TestView(setting);
  view.set('Pod', pod(metadata));
  view.set('ClusterSPIFFEID', policy('p', spec));
  return view;
}

export function identityOf(view: TestView): PodIdentity | undefined {
  return view.decision('uid-web-0', NOW)?.identities[0];
}

export const namesOf = (view: TestView) => identityOf(view)?.dnsNames;
