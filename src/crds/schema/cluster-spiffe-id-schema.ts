// ClusterSPIFFEID: upstream's fields exactly (compatibility A1–A26), with those of ours beside them.

import type { FromSchema } from 'json-schema-to-ts';
import { REGISTERED_CLAIMS } from '../claim-names.ts';
import {
  ADMIN,
  CLASS_NAME,
  CONDITIONS,
  DOWNSTREAM,
  FEDERATES_WITH,
  HINT,
  LABEL_SELECTOR,
  OBJECT_FIELDS,
  OBSERVED_GENERATION,
} from './shared-schemas.ts';
import type { StructuralSchema } from './structural-schema.ts';

const SPEC = {
  type: 'object',
  description: 'Which pods get an identity, and which. Example: see spiffeIDTemplate',
  required: ['spiffeIDTemplate'],
  properties: {
    spiffeIDTemplate: {
      type: 'string',
      description:
        'Go text/template of the SPIFFE ID, in the trust domain of the cluster. Example: "spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}"',
      minLength: 1,
    },
    podSelector: {
      ...LABEL_SELECTOR,
      description: 'Labels of the pods; left out: all pods. Example: {matchLabels: {app: web}}',
    },
    namespaceSelector: {
      ...LABEL_SELECTOR,
      description:
        'Labels of the namespaces; left out: all. Example: {matchLabels: {kubernetes.io/metadata.name: shop}}',
    },
    dnsNameTemplates: {
      type: 'array',
      description:
        'Templates of DNS names, in order; the first one is also the common name. Example: ["{{ .PodMeta.Name }}.{{ .PodMeta.Namespace }}.svc"]',
      items: { type: 'string' },
    },
    workloadSelectorTemplates: {
      type: 'array',
      description:
        'Templates of type:value selectors, all of which must hold too. Example: ["k8s:ns:istio-system"]',
      items: { type: 'string' },
    },
    ttl: {
      type: 'string',
      description:
        'Longest life of an X509-SVID, as a Go duration of at least 1s; left out: 1h. Example: 15m',
      minLength: 1,
    },
    jwtTtl: {
      type: 'string',
      description:
        'Longest life of a JWT-SVID, as a Go duration of at least 1s; left out: 5m. Example: 2m',
      minLength: 1,
    },
    federatesWith: FEDERATES_WITH,
    admin: ADMIN,
    downstream: DOWNSTREAM,
    autoPopulateDNSNames: {
      type: 'boolean',
      description: 'Adds the names of the Services that select the pod. Example: true',
    },
    className: CLASS_NAME,
    fallback: {
      type: 'boolean',
      description: 'Only for pods that no other ClusterSPIFFEID serves. Example: true',
    },
    hint: HINT,
    priority: {
      type: 'integer',
      format: 'int32',
      description:
        'Of several identities of a pod the one with the highest is the default. Example: 10',
      minimum: -2147483648,
      maximum: 2147483647,
    },
    jwtClaimTemplates: {
      type: 'object',
      description:
        'Templates of further string claims of JWT-SVIDs, by name. Example: {agent_session: "{{ .PodMeta.UID }}"}',
      additionalProperties: { type: 'string' },
      maxProperties: 32,
      'x-kubernetes-validations': [
        // A pattern for names would be over the API server's budget: keys have no greatest length.
        {
          rule: `self.all(name, !(name in ['${REGISTERED_CLAIMS.join("', '")}']))`,
          message: 'names of registered claims must not be used',
        },
      ],
    },
    jwtClaimsFromAuthors: {
      type: 'boolean',
      description:
        'Lets claims hold what authors of pods write, such as labels; agent_trust_level never does. Example: true',
    },
    commonNameTemplate: {
      type: 'string',
      description:
        'Template of the subject common name, at most 64 of A-Z a-z 0-9 . _ @ -, in place of the first DNS name. Example: "{{ .PodSpec.ServiceAccountName }}"',
      minLength: 1,
    },
    federatesWithSelector: {
      ...LABEL_SELECTOR,
      description:
        'Also federates with the trust domains whose ClusterFederatedTrustDomain has such labels. Example: {matchLabels: {partner: "true"}}',
    },
    jwtIncludeJTI: {
      type: 'boolean',
      description: 'Gives every JWT-SVID an ID of its own, the claim jti. Example: true',
    },
  },
} as const satisfies StructuralSchema;

function count<const Text extends string>(description: Text) {
  return { type: 'integer', description: `${description} Example: 4` } as const;
}

const STATUS = {
  type: 'object',
  description: 'How it fares. Example: {stats: {podsSelected: 4, entriesToSet: 4}}',
  properties: {
    stats: {
      type: 'object',
      description: 'Counts over the whole cluster. Example: {podsSelected: 4, entriesToSet: 4}',
      properties: {
        namespacesSelected: count('Namespaces that match.'),
        namespacesIgnored: count('Namespaces that match, but are ignored by configuration.'),
        podsSelected: count('Pods that match, in namespaces that are not ignored.'),
        podEntryRenderFailures: count('Pods whose templates failed.'),
        entriesMasked: count('Entries that an older object makes too.'),
        entriesToSet: count('Entries that this object makes.'),
        entryFailures: count('Entries that were refused.'),
      },
    },
    conditions: CONDITIONS,
    observedGeneration: OBSERVED_GENERATION,
    failures: {
      type: 'array',
      description:
        'The first ten pods that it failed for. Example: [{pod: shop/web-1, reason: RenderFailed}]',
      maxItems: 10,
      items: {
        type: 'object',
        description: 'One pod. Example: {pod: shop/web-1, reason: RenderFailed, message: "…"}',
        required: ['pod', 'reason', 'message'],
        properties: {
          pod: { type: 'string', description: 'Namespace and name. Example: shop/web-1' },
          reason: { type: 'string', description: 'A constant. Example: RenderFailed' },
          message: {
            type: 'string',
            description: 'What went wrong. Example: "path: must not have empty segments"',
          },
        },
      },
      'x-kubernetes-list-type': 'atomic',
    },
  },
} as const satisfies StructuralSchema;

export const CLUSTER_SPIFFE_ID_SCHEMA = {
  type: 'object',
  description:
    'Gives an identity to every pod that it selects. Example: one for all pods, from namespace and ServiceAccount.',
  required: ['spec'],
  properties: {
    ...OBJECT_FIELDS,
    spec: SPEC,
    status: STATUS,
  },
} as const satisfies StructuralSchema;

export type ClusterSpiffeIdObject = FromSchema<typeof CLUSTER_SPIFFE_ID_SCHEMA>;
export type ClusterSpiffeIdStatus = FromSchema<typeof STATUS>;
