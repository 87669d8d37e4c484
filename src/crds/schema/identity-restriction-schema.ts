// IdentityRestriction, a kind of ours: takes away and limits, never gives.

import type { FromSchema } from 'json-schema-to-ts';
import { CONDITIONS, OBJECT_FIELDS, OBSERVED_GENERATION } from './shared-schemas.ts';
import type { StructuralSchema } from './structural-schema.ts';

const DENY = ['Deny'] as const;

const STATUS = {
  type: 'object',
  description: 'How it fares. Example: {conditions: [{type: InEffect, status: "True"}]}',
  properties: {
    conditions: CONDITIONS,
    observedGeneration: OBSERVED_GENERATION,
    revoked: {
      type: 'object',
      description:
        'Certificates that are on the revocation lists for it. Example: {count: 1, serials: [5f02…]}',
      required: ['count', 'serials'],
      properties: {
        count: { type: 'integer', format: 'int32', description: 'How many. Example: 1' },
        serials: {
          type: 'array',
          description:
            'Serial numbers in hex, of the first 20, last to end first. Example: [5f02…]',
          items: { type: 'string' },
          maxItems: 20,
        },
        lastNotAfter: {
          type: 'string',
          format: 'date-time',
          description: 'When the last of them ends. Example: "2026-01-31T12:00:00Z"',
        },
      },
    },
  },
} as const satisfies StructuralSchema;

const TRUST_LEVELS = {
  items: { type: 'string', maxLength: 256 },
  minItems: 1,
  maxItems: 32,
} as const;

const MATCH = {
  type: 'object',
  description:
    'Whom it restricts: all that is set must hold. Example: {namespace: shop, serviceAccount: web}',
  properties: {
    all: {
      type: 'boolean',
      description: 'Every identity there is; stands alone. Example: true',
    },
    spiffeID: {
      type: 'string',
      description: 'Exactly this SPIFFE ID. Example: spiffe://example.org/ns/shop/sa/web',
      minLength: 1,
    },
    spiffeIDPrefix: {
      type: 'string',
      description:
        'This SPIFFE ID and all below it, by whole segments. Example: spiffe://example.org/ns/shop',
      minLength: 1,
    },
    namespace: { type: 'string', description: 'Pods of a namespace. Example: shop', minLength: 1 },
    serviceAccount: {
      type: 'string',
      description: 'Pods with a ServiceAccount of this name. Example: web',
      minLength: 1,
    },
    owner: {
      type: 'object',
      description: 'Pods that this object controls. Example: {kind: Deployment, name: web}',
      required: ['kind', 'name'],
      properties: {
        kind: { type: 'string', description: 'Its kind. Example: Deployment', minLength: 1 },
        name: { type: 'string', description: 'Its name. Example: web', minLength: 1 },
        uid: {
          type: 'string',
          description: 'Its UID, to leave a successor of that name alone. Example: 0b1c…',
        },
      },
    },
    podUID: { type: 'string', description: 'One pod. Example: 6f8d2c1e-…', minLength: 1 },
    node: { type: 'string', description: 'Pods on a node. Example: worker-1', minLength: 1 },
    trustLevels: {
      type: 'array',
      description:
        'Identities whose claim agent_trust_level is one of these; "" is for those without it. Example: [low, ""]',
      ...TRUST_LEVELS,
    },
    exceptTrustLevels: {
      type: 'array',
      description:
        'All identities but those whose claim agent_trust_level is one of these. Example: [high]',
      ...TRUST_LEVELS,
    },
  },
  'x-kubernetes-validations': [
    {
      rule: 'has(self.all) && self.all || has(self.spiffeID) || has(self.spiffeIDPrefix) || has(self.namespace) || has(self.serviceAccount) || has(self.owner) || has(self.podUID) || has(self.node) || has(self.trustLevels) || has(self.exceptTrustLevels)',
      message: 'must not be empty; all: true restricts every identity',
    },
    {
      rule: '!(has(self.all) && self.all) || !(has(self.spiffeID) || has(self.spiffeIDPrefix) || has(self.namespace) || has(self.serviceAccount) || has(self.owner) || has(self.podUID) || has(self.node) || has(self.trustLevels) || has(self.exceptTrustLevels))',
      message: 'all must stand alone',
    },
  ],
} as const satisfies StructuralSchema;

export const IDENTITY_RESTRICTION_SCHEMA = {
  type: 'object',
  description:
    'Suspends or limits identities. Several are added up, and the strictest wins. Example: a suspended agent.',
  required: ['spec'],
  properties: {
    ...OBJECT_FIELDS,
    spec: {
      type: 'object',
      description: 'Whom it restricts, and how. Example: {match: {namespace: shop}, suspend: true}',
      required: ['match'],
      properties: {
        match: MATCH,
        suspend: { type: 'boolean', description: 'No identity at all. Example: true' },
        until: {
          type: 'string',
          format: 'date-time',
          description: 'When it ends; left out: when deleted. Example: "2026-01-31T12:00:00Z"',
        },
        cause: {
          type: 'string',
          description: 'Why, for people. Example: leaked key',
          maxLength: 1024,
        },
        maxX509SVIDTTL: {
          type: 'string',
          description: 'Longest life of an X509-SVID, at least 1s. Example: 10m',
          minLength: 1,
        },
        maxJWTSVIDTTL: {
          type: 'string',
          description: 'Longest life of a JWT-SVID, at least 1s. Example: 1m',
          minLength: 1,
        },
        allowedAudiences: {
          type: 'array',
          description:
            'The only audiences of JWT-SVIDs; empty: none. Example: [spiffe://example.org/api]',
          items: { type: 'string' },
          maxItems: 1000,
        },
        jwt: { type: 'string', description: 'Deny: no JWT-SVIDs. Example: Deny', enum: DENY },
        sds: {
          type: 'string',
          description: "Deny: no keys over Envoy's secret discovery. Example: Deny",
          enum: DENY,
        },
      },
    },
    status: STATUS,
  },
} as const satisfies StructuralSchema;

export type IdentityRestrictionObject = FromSchema<typeof IDENTITY_RESTRICTION_SCHEMA>;
export type IdentityRestrictionStatus = FromSchema<typeof STATUS>;
