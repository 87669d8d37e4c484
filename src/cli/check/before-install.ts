// What must be so before an installation: the API server, and what SPIRE or another owner of the same
// names left in the cluster.

import { KINDS, SPIRE_GROUP } from '../../crds/custom-resource-definition.ts';
import type { JsonObject } from '../../template/json-value.ts';
import { nameOf, objectAt, objectsIn, textAt, textsIn } from '../cluster/reader.ts';
import { type Check, type CheckTarget, fail, ok, type Verdict, warn } from './finding.ts';

/** The API server must say which node a token is bound to. */
const MIN_MINOR = 30;
const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
const OWN_LABEL = 'app.kubernetes.io/name';

export const API_VERSION: Check = {
  name: 'api-server',
  run: async ({ reader }) => {
    const version = await reader.get('/version');
    const git = textAt(version ?? {}, 'gitVersion');
    const [, major = '0', minor = '0'] = /^v(\d+)\.(\d+)/.exec(git) ?? [];
    if (Number(major) > 1 || Number(minor) >= MIN_MINOR) return [ok(git)];
    const hint = 'upgrade the control plane: older ones do not bind tokens to nodes';
    return [fail(`version ${git || 'unknown'} is older than v1.${MIN_MINOR}`, hint)];
  },
};

export const DRIVER_OWNER: Check = {
  name: 'driver-owner',
  run: async ({ reader, driverName }) => {
    const driver = await reader.get(`/apis/storage.k8s.io/v1/csidrivers/${driverName}`);
    if (driver === undefined) return [ok(`nobody has the CSI driver ${driverName}`)];
    if (isOurs(driver)) return [ok(`CSI driver ${driverName} is ours`)];
    const owner = ownerOf(driver);
    const hint =
      'drain node by node and remove it first, or install with another driverName beside it';
    return [fail(`CSI driver ${driverName} belongs to ${owner}`, hint)];
  },
};

/** Admission webhooks of others that every write of a policy waits for. */
export const FOREIGN_WEBHOOKS: Check = {
  name: 'foreign-webhooks',
  run: async (target) => {
    const verdicts: Verdict[] = [];
    for (const kind of ['validatingwebhookconfigurations', 'mutatingwebhookconfigurations']) {
      for (const object of (await target.reader.list(`${ADMISSION}/${kind}`)) ?? []) {
        if (isOurs(object)) continue;
        const entries = objectsIn(object, 'webhooks').filter(concernsPolicies);
        for (const entry of entries) verdicts.push(await judgeWebhook(target, object, entry));
      }
    }
    return verdicts.length > 0 ? verdicts : [ok('no foreign webhook watches policies')];
  },
};

async function judgeWebhook(
  { reader }: CheckTarget,
  object: JsonObject,
  entry: JsonObject,
): Promise<Verdict> {
  const service = objectAt(entry, 'clientConfig', 'service');
  const [namespace, name] = [textAt(service, 'namespace'), textAt(service, 'name')];
  const what = `${textAt(object, 'kind') || 'webhook configuration'} ${nameOf(object)}`;
  const hint = `kubectl delete validatingwebhookconfiguration ${nameOf(object)}`;
  if (name === '' || namespace === '') {
    return warn(`${what} watches ${SPIRE_GROUP}`, 'see that it takes policies of Signet');
  }
  const found = await reader.get(`/api/v1/namespaces/${namespace}/services/${name}`);
  if (found === undefined && textAt(entry, 'failurePolicy') !== 'Ignore') {
    return fail(
      `${what} asks Service ${namespace}/${name}, which is gone: no policy can be written`,
      hint,
    );
  }
  return warn(
    `${what} of a SPIRE controller watches ${SPIRE_GROUP} too`,
    `once SPIRE is gone: ${hint}`,
  );
}

function concernsPolicies(entry: JsonObject): boolean {
  return objectsIn(entry, 'rules').some((rule) => textsIn(rule, 'apiGroups').includes(SPIRE_GROUP));
}

export const FOREIGN_CRDS: Check = {
  name: 'foreign-crds',
  run: async ({ reader }) => {
    const verdicts: Verdict[] = [];
    for (const { plural, group } of KINDS) {
      const name = `${plural}.${group}`;
      const crd = await reader.get(
        `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`,
      );
      if (crd === undefined || isOurs(crd)) continue;
      verdicts.push(
        warn(
          `${name} was made by ${ownerOf(crd)}`,
          'let one installer own it: whoever applies last decides which fields are kept',
        ),
      );
    }
    return verdicts.length > 0 ? verdicts : [ok('no CRD of another owner')];
  },
};

export const POLICY_INJECTION: Check = {
  name: 'mutating-admission-policies',
  run: async ({ reader }) => {
    const resources = await reader.get(ADMISSION);
    const served = objectsIn(resources ?? {}, 'resources').some(
      (each) => textAt(each, 'name') === 'mutatingadmissionpolicies',
    );
    return [
      ok(
        served
          ? 'served: injection: policy is possible'
          : 'not served: injection needs the webhook',
      ),
    ];
  },
};

/** Whether our chart made it. */
export function isOurs(object: JsonObject): boolean {
  return textAt(object, 'metadata', 'labels', OWN_LABEL) === 'signet';
}

export function ownerOf(object: JsonObject): string {
  const labels = objectAt(object, 'metadata', 'labels');
  const annotations = objectAt(object, 'metadata', 'annotations');
  const release = textAt(annotations, 'meta.helm.sh/release-name');
  const namespace = textAt(annotations, 'meta.helm.sh/release-namespace');
  if (release !== '') return `Helm release ${release} in namespace ${namespace}`;
  const name = textAt(labels, OWN_LABEL);
  return name === '' ? 'somebody else' : name;
}
