// Whether what the chart installed is there and works: workloads, webhooks, authorities, drivers on
// nodes.

import { CodedError } from '../../base/errors.ts';
import { readCertificate } from '../../spiffe/certificate/certificate.ts';
import { parsePemCertificates } from '../../spiffe/pem.ts';
import type { JsonObject } from '../../template/json-value.ts';
import { nameOf, numberAt, objectAt, objectsIn, textAt, valueAt } from '../cluster/reader.ts';
import { isOurs, ownerOf } from './before-install.ts';
import { type Check, fail, ok, someOf, type Verdict, warn } from './finding.ts';

const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
const LEASE_IS_OLD_MS = 60_000;
const SOON_MS = 24 * 3_600_000;

export const WORKLOADS: Check = {
  name: 'workloads',
  run: async ({ reader, namespace }) => {
    const apps = `/apis/apps/v1/namespaces/${namespace}`;
    const verdicts: Verdict[] = [];
    for (const name of ['signet-issuer', 'signet-controller']) {
      const found = await reader.get(`${apps}/deployments/${name}`);
      verdicts.push(
        judgeWorkload(`Deployment ${name}`, found, {
          wanted: Number(valueAt(found ?? {}, 'spec', 'replicas') ?? 1),
          ready: numberAt(found ?? {}, 'status', 'readyReplicas'),
        }),
      );
    }
    const set = await reader.get(`${apps}/daemonsets/signet-node`);
    const status = objectAt(set ?? {}, 'status');
    verdicts.push(
      judgeWorkload('DaemonSet signet-node', set, {
        wanted: numberAt(status, 'desiredNumberScheduled'),
        ready: numberAt(status, 'numberReady'),
      }),
    );
    return verdicts;
  },
};

function judgeWorkload(
  what: string,
  found: JsonObject | undefined,
  { wanted, ready }: { readonly wanted: number; readonly ready: number },
): Verdict {
  if (found === undefined) return fail(`${what}: not there`, 'is --namespace right?');
  const name = what.toLowerCase().replace(' ', '/');
  if (ready < wanted || ready === 0) {
    return fail(`${what}: ${ready} of ${wanted} ready`, `kubectl describe ${name}, then its logs`);
  }
  return ok(`${what}: ${ready} of ${wanted} ready`);
}

export const LEADER: Check = {
  name: 'leader',
  run: async ({ reader, namespace, now }) => {
    const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/signet-controller`;
    const lease = await reader.get(path);
    const renewed = Date.parse(textAt(lease ?? {}, 'spec', 'renewTime'));
    const holder = textAt(lease ?? {}, 'spec', 'holderIdentity');
    if (holder === '' || !(now - renewed < LEASE_IS_OLD_MS)) {
      const hint = 'no status, bundle or caBundle is written: see the logs of signet-controller';
      return [fail('no controller leads', hint)];
    }
    return [ok(`${holder} leads`)];
  },
};

export const WEBHOOK: Check = {
  name: 'webhook',
  run: async ({ reader }) => {
    const verdicts: Verdict[] = [];
    for (const kind of ['Mutating', 'Validating']) {
      const path = `${ADMISSION}/${kind.toLowerCase()}webhookconfigurations/signet`;
      const found = await reader.get(path);
      const what = `${kind}WebhookConfiguration signet`;
      const bare = objectsIn(found ?? {}, 'webhooks').filter(
        (each) => textAt(each, 'clientConfig', 'caBundle') === '',
      );
      if (found === undefined)
        verdicts.push(
          warn(
            `${what}: not there`,
            'meant so? then pods are not injected, or policies not checked, by it',
          ),
        );
      else if (bare.length > 0) {
        const hint = 'the controller that leads writes it: see its logs';
        verdicts.push(
          fail(`${what}: no caBundle in ${someOf(bare.map((each) => textAt(each, 'name')))}`, hint),
        );
      } else verdicts.push(ok(`${what}: complete`));
    }
    return verdicts;
  },
};

export const AUTHORITIES: Check = {
  name: 'authorities',
  run: async ({ reader, namespace, now }) => {
    const maps = `/api/v1/namespaces/${namespace}/configmaps`;
    const hint = 'see the Jobs of signet-authority and their logs';
    const state = await reader.get(`${maps}/signet-authority-state`);
    const isThere = state !== undefined && Object.keys(objectAt(state, 'data')).length > 0;
    const issuerCa = await reader.get(`${maps}/signet-issuer-ca`);
    const pem = textAt(issuerCa ?? {}, 'data', 'ca.crt');
    return [
      isThere
        ? ok('the authorities have a state')
        : fail('ConfigMap signet-authority-state: empty or not there', hint),
      judgeServingAuthorities(pem, now, hint),
    ];
  },
};

function judgeServingAuthorities(pem: string, now: number, hint: string): Verdict {
  const what = 'ConfigMap signet-issuer-ca';
  if (pem === '')
    return fail(`${what}: empty or not there: no node plugin can trust the issuer`, hint);
  try {
    const ends = parsePemCertificates(pem).map((der) => readCertificate(der).notAfter);
    const last = Math.max(...ends);
    const until = new Date(last).toISOString();
    if (last <= now) return fail(`${what}: its authorities ended at ${until}`, hint);
    if (last - now < SOON_MS) return warn(`${what}: its authorities end at ${until}`, hint);
    return ok(`${what}: trusted until ${until}`);
  } catch (thrown) {
    return fail(`${what}: ${CodedError.from(thrown).message}`, hint);
  }
}

export const DRIVER: Check = {
  name: 'driver',
  run: async ({ reader, driverName }) => {
    const driver = await reader.get(`/apis/storage.k8s.io/v1/csidrivers/${driverName}`);
    const what = `CSI driver ${driverName}`;
    if (driver === undefined) return [fail(`${what}: not there`, 'reinstall the chart')];
    if (!isOurs(driver))
      return [fail(`${what} belongs to ${ownerOf(driver)}`, 'reinstall the chart')];
    if (valueAt(driver, 'spec', 'podInfoOnMount') !== true) {
      return [
        fail(`${what}: podInfoOnMount is not true: no pod is told apart`, 'reinstall the chart'),
      ];
    }
    return [ok(`${what}: ours`)];
  },
};

/** Kubelets write a CSINode entry once a plugin has registered with them. */
export const REGISTERED: Check = {
  name: 'registered',
  run: async ({ reader, namespace, driverName }) => {
    const query = {
      labelSelector: 'app.kubernetes.io/name=signet,app.kubernetes.io/component=node',
    };
    const pods = (await reader.list(`/api/v1/namespaces/${namespace}/pods`, query)) ?? [];
    const plugins = new Set(pods.map((pod) => textAt(pod, 'spec', 'nodeName')));
    const nodes = (await reader.list('/apis/storage.k8s.io/v1/csinodes')) ?? [];
    const registered = nodes
      .filter((node) =>
        objectsIn(objectAt(node, 'spec'), 'drivers').some(
          (each) => textAt(each, 'name') === driverName,
        ),
      )
      .map(nameOf);
    const missing = [...plugins].filter((node) => node !== '' && !registered.includes(node));
    const bare = nodes.map(nameOf).filter((node) => !plugins.has(node));
    return [
      missing.length === 0
        ? ok(`${registered.length} nodes have the driver`)
        : fail(
            `${someOf(missing)}: the kubelet does not know the driver`,
            'see the logs of signet-node there',
          ),
      ...(bare.length === 0
        ? []
        : [warn(`${someOf(bare)}: no signet-node runs there`, 'taints or selectors keep it off')]),
    ];
  },
};
