// The objects that tell an API server when to ask the webhook, from the same words and paths that the
// decisions use. Pure: what is installed is what is tested.

import { type CustomKind, KINDS, VERSION } from '../crds/custom-resource-definition.ts';
import type { JsonObject } from '../template/json-value.ts';
import { celExists, celString } from './cel.ts';
import { INJECT_EPHEMERAL_LABEL } from './opt-in.ts';
import {
  labelSelector,
  type MatchCondition,
  OPT_IN_ENTRIES,
  outsideOwnNamespace,
  POD_CONDITIONS,
} from './opt-in-entries.ts';
import {
  MUTATE_PODS_PATH,
  VALIDATE_CLUSTER_SPIFFE_ID_PATH,
  VALIDATE_FEDERATED_TRUST_DOMAIN_PATH,
  VALIDATE_KINDS_PATH,
  VALIDATE_PODS_PATH,
} from './server/admission-paths.ts';
import type { WebhookSettings } from './webhook-settings.ts';

export type WebhookConfigurationOptions = {
  /** Of both objects; two installations in one cluster have two names. */
  readonly name: string;
  readonly settings: WebhookSettings;
  /** PEM of the authorities of the webhook's certificate; the old and the new one while it changes. */
  readonly caBundle: string;
  readonly service: { readonly name: string; readonly namespace: string; readonly port: number };
};

const API_VERSION = 'admissionregistration.k8s.io/v1';
const TIMEOUT_SECONDS = 5;

type Entry = {
  /** Unique in its object, of three parts at least. */
  readonly name: string;
  readonly path: string;
  readonly rule: JsonObject;
  readonly failurePolicy?: 'Fail' | 'Ignore';
  readonly namespaceSelector?: JsonObject;
  readonly objectSelector?: JsonObject;
  readonly conditions?: readonly MatchCondition[];
};

const POD_RULE: JsonObject = {
  apiGroups: [''],
  apiVersions: ['v1'],
  resources: ['pods'],
  operations: ['CREATE'],
  scope: 'Namespaced',
};

const EPHEMERAL_RULE: JsonObject = {
  ...POD_RULE,
  resources: ['pods/ephemeralcontainers'],
  operations: ['UPDATE'],
};

export function mutatingWebhookConfiguration(options: WebhookConfigurationOptions): JsonObject {
  const outside = outsideOwnNamespace(options.settings);
  const pods = OPT_IN_ENTRIES.map(({ name, namespaceLabels, podLabels, conditions }) => ({
    name: `${name}.inject.signet.dev`,
    path: MUTATE_PODS_PATH,
    rule: POD_RULE,
    namespaceSelector: labelSelector([outside, ...namespaceLabels]),
    objectSelector: labelSelector(podLabels),
    conditions: [...POD_CONDITIONS, ...conditions],
  }));
  const ephemeral: Entry = {
    name: 'ephemeral.inject.signet.dev',
    path: MUTATE_PODS_PATH,
    rule: EPHEMERAL_RULE,
    namespaceSelector: labelSelector([outside]),
    objectSelector: labelSelector([
      { key: INJECT_EPHEMERAL_LABEL, operator: 'In', values: ['true'] },
    ]),
  };
  // Containers that another webhook brings after ours get their mount on the second call.
  const mutates = { reinvocationPolicy: 'IfNeeded' };
  return {
    apiVersion: API_VERSION,
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: options.name },
    webhooks: [...pods, ephemeral].map((entry) => ({ ...webhook(entry, options), ...mutates })),
  };
}

export function validatingWebhookConfiguration(options: WebhookConfigurationOptions): JsonObject {
  const { settings } = options;
  const pods = {
    path: VALIDATE_PODS_PATH,
    namespaceSelector: labelSelector([outsideOwnNamespace(settings)]),
  };
  const ours = `has(x.csi) && x.csi.driver == ${celString(settings.driverName)}`;
  const hasOurs = [{ name: 'has-our-volume', expression: celExists('object.spec.volumes', ours) }];
  const entries: readonly Entry[] = [
    // The names of SPIRE Controller Manager's two (R11).
    kindEntry('vclusterspiffeid.kb.io', 'ClusterSPIFFEID', VALIDATE_CLUSTER_SPIFFE_ID_PATH),
    kindEntry(
      'vclusterfederatedtrustdomain.kb.io',
      'ClusterFederatedTrustDomain',
      VALIDATE_FEDERATED_TRUST_DOMAIN_PATH,
    ),
    kindEntry('clusterstaticentry.validate.signet.dev', 'ClusterStaticEntry', VALIDATE_KINDS_PATH),
    {
      ...kindEntry(
        'identityrestriction.validate.signet.dev',
        'IdentityRestriction',
        VALIDATE_KINDS_PATH,
      ),
      // Taking identities away must be possible in the worst hour. One that does not parse is
      // reported in its status, and the last good version of it stays in force.
      failurePolicy: 'Ignore',
    },
    {
      name: 'pod.validate.signet.dev',
      ...pods,
      rule: POD_RULE,
      // It tells an author early. The node plugin refuses such a volume too, and a pod that wires the
      // volume by itself has not opted in to needing the webhook.
      failurePolicy: 'Ignore',
      conditions: hasOurs,
    },
    {
      name: 'ephemeral.validate.signet.dev',
      ...pods,
      rule: EPHEMERAL_RULE,
      // Debugging must be possible in the worst hour, too.
      failurePolicy: 'Ignore',
      conditions: hasOurs,
    },
  ];
  return {
    apiVersion: API_VERSION,
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: options.name },
    webhooks: entries.map((entry) => webhook(entry, options)),
  };
}

function kindEntry(name: string, kind: CustomKind, path: string): Entry {
  const definition = KINDS.find((each) => each.kind === kind);
  return {
    name,
    path,
    rule: {
      apiGroups: definition === undefined ? [] : [definition.group],
      apiVersions: [VERSION],
      resources: definition === undefined ? [] : [definition.plural],
      operations: ['CREATE', 'UPDATE'],
      scope: 'Cluster',
    },
  };
}

function webhook(entry: Entry, { caBundle, service }: WebhookConfigurationOptions): JsonObject {
  const { name, path, rule, failurePolicy, conditions = [] } = entry;
  return {
    name,
    admissionReviewVersions: ['v1'],
    clientConfig: {
      service: { ...service, path },
      caBundle: Buffer.from(caBundle).toString('base64'),
    },
    rules: [rule],
    failurePolicy: failurePolicy ?? 'Fail',
    matchPolicy: 'Equivalent',
    namespaceSelector: entry.namespaceSelector ?? {},
    objectSelector: entry.objectSelector ?? {},
    ...(conditions.length > 0 ? { matchConditions: conditions } : {}),
    sideEffects: 'None',
    timeoutSeconds: TIMEOUT_SECONDS,
  };
}
