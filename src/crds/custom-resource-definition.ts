// Our four kinds as CustomResourceDefinitions, from the schema constants that their types and the
// offline checker come from too.

import { CLUSTER_FEDERATED_TRUST_DOMAIN_SCHEMA } from './schema/cluster-federated-trust-domain-schema.ts';
import { CLUSTER_SPIFFE_ID_SCHEMA } from './schema/cluster-spiffe-id-schema.ts';
import { CLUSTER_STATIC_ENTRY_SCHEMA } from './schema/cluster-static-entry-schema.ts';
import { IDENTITY_RESTRICTION_SCHEMA } from './schema/identity-restriction-schema.ts';
import type { StructuralSchema } from './schema/structural-schema.ts';

export const SPIRE_GROUP = 'spire.spiffe.io';
export const SIGNET_GROUP = 'signet.dev';
export const VERSION = 'v1alpha1';

export type CustomKind =
  | 'ClusterSPIFFEID'
  | 'ClusterStaticEntry'
  | 'ClusterFederatedTrustDomain'
  | 'IdentityRestriction';

type PrinterColumn = {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'boolean' | 'date';
  readonly jsonPath: string;
  readonly description?: string;
  /** Above 0: only in the wide listing. */
  readonly priority?: number;
};

export type KindDefinition = {
  readonly group: string;
  readonly kind: CustomKind;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly schema: StructuralSchema;
  readonly columns: readonly PrinterColumn[];
};

const READY: PrinterColumn = {
  name: 'Ready',
  type: 'string',
  jsonPath: '.status.conditions[?(@.type=="Ready")].status',
};
const AGE: PrinterColumn = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

export const KINDS: readonly KindDefinition[] = [
  {
    group: SPIRE_GROUP,
    kind: 'ClusterSPIFFEID',
    plural: 'clusterspiffeids',
    shortNames: ['csid'],
    schema: CLUSTER_SPIFFE_ID_SCHEMA,
    columns: [
      READY,
      { name: 'Pods', type: 'integer', jsonPath: '.status.stats.podsSelected' },
      { name: 'Entries', type: 'integer', jsonPath: '.status.stats.entriesToSet' },
      { name: 'Failures', type: 'integer', jsonPath: '.status.stats.entryFailures' },
      {
        name: 'Render Failures',
        type: 'integer',
        jsonPath: '.status.stats.podEntryRenderFailures',
        priority: 1,
      },
      { name: 'Class', type: 'string', jsonPath: '.spec.className', priority: 1 },
      { name: 'Template', type: 'string', jsonPath: '.spec.spiffeIDTemplate', priority: 1 },
      AGE,
    ],
  },
  {
    group: SPIRE_GROUP,
    kind: 'ClusterStaticEntry',
    plural: 'clusterstaticentries',
    shortNames: ['cse'],
    schema: CLUSTER_STATIC_ENTRY_SCHEMA,
    columns: [
      { name: 'SPIFFE ID', type: 'string', jsonPath: '.spec.spiffeID' },
      { name: 'Rendered', type: 'boolean', jsonPath: '.status.rendered' },
      { name: 'Set', type: 'boolean', jsonPath: '.status.set' },
      AGE,
    ],
  },
  {
    group: SPIRE_GROUP,
    kind: 'ClusterFederatedTrustDomain',
    plural: 'clusterfederatedtrustdomains',
    shortNames: ['cftd'],
    schema: CLUSTER_FEDERATED_TRUST_DOMAIN_SCHEMA,
    columns: [
      { name: 'Trust Domain', type: 'string', jsonPath: '.spec.trustDomain' },
      { name: 'Endpoint URL', type: 'string', jsonPath: '.spec.bundleEndpointURL' },
      { name: 'Sequence', type: 'integer', jsonPath: '.status.sequence' },
      READY,
      AGE,
    ],
  },
  {
    group: SIGNET_GROUP,
    kind: 'IdentityRestriction',
    plural: 'identityrestrictions',
    shortNames: ['idr'],
    schema: IDENTITY_RESTRICTION_SCHEMA,
    columns: [
      { name: 'Suspend', type: 'boolean', jsonPath: '.spec.suspend' },
      { name: 'Until', type: 'string', jsonPath: '.spec.until' },
      { name: 'Cause', type: 'string', jsonPath: '.spec.cause' },
      AGE,
    ],
  },
];

/** The kind of this name and group, if it is one of ours. */
export function findKind(group: string, kind: string): KindDefinition | undefined {
  return KINDS.find((each) => each.group === group && each.kind === kind);
}

/** The object that makes an API server serve the kind. */
export function customResourceDefinition(definition: KindDefinition) {
  const { group, kind, plural, shortNames, schema, columns } = definition;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase(), shortNames },
      scope: 'Cluster',
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          additionalPrinterColumns: columns,
          schema: { openAPIV3Schema: schema },
          subresources: { status: {} },
        },
      ],
    },
  };
}
