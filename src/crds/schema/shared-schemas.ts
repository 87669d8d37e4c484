// Parts that several of our kinds share.

import type { StructuralSchema } from './structural-schema.ts';

export const LABEL_SELECTOR = {
  type: 'object',
  description:
    'All requirements must hold; an empty selector selects everything. Example: {matchLabels: {app: web}}',
  properties: {
    matchLabels: {
      type: 'object',
      description: 'Labels with exactly these values. Example: {app: web}',
      additionalProperties: { type: 'string' },
    },
    matchExpressions: {
      type: 'array',
      description:
        'Requirements on labels. Example: [{key: tier, operator: In, values: [web, api]}]',
      items: {
        type: 'object',
        description: 'One requirement. Example: {key: tier, operator: Exists}',
        required: ['key', 'operator'],
        properties: {
          key: { type: 'string', description: 'The label. Example: app.kubernetes.io/name' },
          operator: {
            type: 'string',
            description: 'In, NotIn, Exists or DoesNotExist. Example: In',
          },
          values: {
            type: 'array',
            description:
              'Not empty for In and NotIn, empty for Exists and DoesNotExist. Example: [web, api]',
            items: { type: 'string' },
            'x-kubernetes-list-type': 'atomic',
          },
        },
      },
      'x-kubernetes-list-type': 'atomic',
    },
  },
  'x-kubernetes-map-type': 'atomic',
} as const satisfies StructuralSchema;

export const CONDITIONS = {
  type: 'array',
  description: 'What holds now, by type. Example: [{type: Ready, status: "True", reason: Served}]',
  items: {
    type: 'object',
    description: 'One condition. Example: {type: Ready, status: "True", reason: Served}',
    required: ['type', 'status', 'lastTransitionTime', 'reason', 'message'],
    properties: {
      type: {
        type: 'string',
        description: 'Its name. Example: TemplatesValid',
        maxLength: 316,
      },
      status: {
        type: 'string',
        description: 'True, False or Unknown. Example: "True"',
        enum: ['True', 'False', 'Unknown'],
      },
      reason: {
        type: 'string',
        description: 'A constant for programs. Example: RenderFailed',
        minLength: 1,
        maxLength: 1024,
      },
      message: {
        type: 'string',
        description: 'For people. Example: "spec.spiffeIDTemplate: line 1: unexpected }"',
        maxLength: 32768,
      },
      observedGeneration: {
        type: 'integer',
        format: 'int64',
        description: 'The metadata.generation that it speaks of. Example: 3',
        minimum: 0,
      },
      lastTransitionTime: {
        type: 'string',
        format: 'date-time',
        description: 'When its status last changed. Example: "2026-01-31T12:00:00Z"',
      },
    },
  },
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': ['type'],
} as const satisfies StructuralSchema;

export const OBSERVED_GENERATION = {
  type: 'integer',
  format: 'int64',
  description: 'The metadata.generation that the status speaks of. Example: 3',
} as const satisfies StructuralSchema;

export const FEDERATES_WITH = {
  type: 'array',
  description:
    'Trust domains whose bundles the workload gets, by name or by SPIFFE ID. "*" in a ClusterSPIFFEID: all that are declared. Example: [partner.example]',
  items: { type: 'string' },
} as const satisfies StructuralSchema;

export const CLASS_NAME = {
  type: 'string',
  description:
    'The installation that serves the object; each leaves other classes alone. Example: spire-server-spire',
} as const satisfies StructuralSchema;

export const HINT = {
  type: 'string',
  description:
    'How a workload with several identities knows this one, at most 1024 bytes. Example: internal',
} as const satisfies StructuralSchema;

export const ADMIN = {
  type: 'boolean',
  description: 'For SPIRE servers: may call their administration. No effect here. Example: false',
} as const satisfies StructuralSchema;

export const DOWNSTREAM = {
  type: 'boolean',
  description: 'For SPIRE servers: may run a nested one. No effect here. Example: false',
} as const satisfies StructuralSchema;

/** What every object has before its spec. */
export const OBJECT_FIELDS = {
  apiVersion: {
    type: 'string',
    description: 'Group and version of the schema. Example: spire.spiffe.io/v1alpha1',
  },
  kind: { type: 'string', description: 'Kind of the object. Example: ClusterSPIFFEID' },
  metadata: { type: 'object' },
} as const satisfies Readonly<Record<string, StructuralSchema>>;
