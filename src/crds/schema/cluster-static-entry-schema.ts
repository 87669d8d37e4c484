// ClusterStaticEntry: upstream's fields exactly (compatibility B1–B13).

import type { FromSchema } from 'json-schema-to-ts';
import {
  ADMIN,
  CLASS_NAME,
  CONDITIONS,
  DOWNSTREAM,
  FEDERATES_WITH,
  HINT,
  OBJECT_FIELDS,
  OBSERVED_GENERATION,
} from './shared-schemas.ts';
import type { StructuralSchema } from './structural-schema.ts';

const STATUS = {
  type: 'object',
  description: 'How it fares. Example: {rendered: true, masked: false, set: true}',
  required: ['rendered', 'masked', 'set'],
  properties: {
    rendered: { type: 'boolean', description: 'Whether its spec could be read. Example: true' },
    masked: {
      type: 'boolean',
      description: 'Whether another object declares the same entry. Example: false',
    },
    set: { type: 'boolean', description: 'Whether the entry is in effect. Example: true' },
    conditions: CONDITIONS,
    observedGeneration: OBSERVED_GENERATION,
  },
} as const satisfies StructuralSchema;

export const CLUSTER_STATIC_ENTRY_SCHEMA = {
  type: 'object',
  description:
    'One identity for one workload, by selectors. Example: a process outside of any pod.',
  required: ['spec'],
  properties: {
    ...OBJECT_FIELDS,
    spec: {
      type: 'object',
      description: 'The entry. Example: {spiffeID: …, parentID: …, selectors: ["unix:uid:1000"]}',
      required: ['spiffeID', 'parentID', 'selectors'],
      properties: {
        spiffeID: {
          type: 'string',
          description: 'The SPIFFE ID to issue. Example: spiffe://example.org/batch',
        },
        parentID: {
          type: 'string',
          description:
            'The SPIFFE ID of the node or server that issues it. Example: spiffe://example.org/spire/server',
        },
        selectors: {
          type: 'array',
          description: 'type:value selectors, all of which must hold. Example: ["k8s:ns:shop"]',
          items: { type: 'string' },
        },
        federatesWith: FEDERATES_WITH,
        x509SVIDTTL: {
          type: 'string',
          description: 'Longest life of an X509-SVID, as a Go duration; left out: 1h. Example: 15m',
        },
        jwtSVIDTTL: {
          type: 'string',
          description: 'Longest life of a JWT-SVID, as a Go duration; left out: 5m. Example: 2m',
        },
        dnsNames: {
          type: 'array',
          description: 'DNS names, as they are. Example: [web.example.org]',
          items: { type: 'string' },
        },
        hint: HINT,
        admin: ADMIN,
        downstream: DOWNSTREAM,
        storeSVID: {
          type: 'boolean',
          description: 'For SPIRE agents: store it elsewhere. No effect here. Example: false',
        },
        className: CLASS_NAME,
      },
    },
    status: STATUS,
  },
} as const satisfies StructuralSchema;

export type ClusterStaticEntryObject = FromSchema<typeof CLUSTER_STATIC_ENTRY_SCHEMA>;
export type ClusterStaticEntryStatus = FromSchema<typeof STATUS>;
