// ClusterFederatedTrustDomain: upstream's fields exactly (compatibility D1–D6); its status, empty
// upstream, says how the last refresh went.

import type { FromSchema } from 'json-schema-to-ts';
import { CLASS_NAME, CONDITIONS, OBJECT_FIELDS, OBSERVED_GENERATION } from './shared-schemas.ts';
import type { StructuralSchema } from './structural-schema.ts';

const STATUS = {
  type: 'object',
  description: 'How it fares. Example: {conditions: [{type: Ready, status: "True"}]}',
  properties: {
    conditions: CONDITIONS,
    observedGeneration: OBSERVED_GENERATION,
    lastRefresh: {
      type: 'string',
      format: 'date-time',
      description: 'When its bundle was last fetched. Example: "2026-01-31T12:00:00Z"',
    },
    nextRefresh: {
      type: 'string',
      format: 'date-time',
      description: 'When it is to be fetched again. Example: "2026-01-31T12:05:00Z"',
    },
    sequence: {
      type: 'integer',
      format: 'int64',
      description: 'The sequence of the bundle that is served. Example: 7',
    },
    x509Authorities: {
      type: 'integer',
      format: 'int32',
      description: 'X.509 authorities in it. Example: 2',
    },
    jwtAuthorities: {
      type: 'integer',
      format: 'int32',
      description: 'JWT authorities in it. Example: 1',
    },
  },
} as const satisfies StructuralSchema;

export const CLUSTER_FEDERATED_TRUST_DOMAIN_SCHEMA = {
  type: 'object',
  description: 'A foreign trust domain, and where its bundle is. Example: a partner.',
  required: ['spec'],
  properties: {
    ...OBJECT_FIELDS,
    spec: {
      type: 'object',
      description: 'Name and endpoint. Example: {trustDomain: partner.example, …}',
      required: ['trustDomain', 'bundleEndpointURL', 'bundleEndpointProfile'],
      properties: {
        trustDomain: {
          type: 'string',
          description: 'Its name. Example: partner.example',
          pattern: '[a-z0-9._-]{1,255}',
        },
        bundleEndpointURL: {
          type: 'string',
          description:
            'Where its bundle is served, over https and without user name. Example: https://partner.example/bundle',
        },
        bundleEndpointProfile: {
          type: 'object',
          description: 'How its endpoint is authenticated. Example: {type: https_web}',
          required: ['type'],
          properties: {
            type: {
              type: 'string',
              description:
                'https_web: by the public authorities; https_spiffe: by a SPIFFE ID. Example: https_web',
              enum: ['https_spiffe', 'https_web'],
            },
            endpointSPIFFEID: {
              type: 'string',
              description:
                'The SPIFFE ID of the endpoint, for https_spiffe alone. Example: spiffe://partner.example/spire/server',
            },
          },
          'x-kubernetes-validations': [
            {
              rule: "self.type != 'https_spiffe' || (has(self.endpointSPIFFEID) && self.endpointSPIFFEID != '')",
              message: 'endpointSPIFFEID must be set with https_spiffe',
            },
            {
              rule: "self.type != 'https_web' || !has(self.endpointSPIFFEID) || self.endpointSPIFFEID == ''",
              message: 'endpointSPIFFEID must not be set with https_web',
            },
          ],
        },
        trustDomainBundle: {
          type: 'string',
          description:
            'Its bundle as a SPIFFE bundle document, to begin with. Example: \'{"keys": […]}\'',
        },
        className: CLASS_NAME,
      },
    },
    status: STATUS,
  },
} as const satisfies StructuralSchema;

export type ClusterFederatedTrustDomainObject = FromSchema<
  typeof CLUSTER_FEDERATED_TRUST_DOMAIN_SCHEMA
>;
export type ClusterFederatedTrustDomainStatus = FromSchema<typeof STATUS>;
