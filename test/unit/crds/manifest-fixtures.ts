// Manifests of the shapes that people have (compatibility section 4), all of which are accepted.

import { generateKeyPairSync } from 'node:crypto';
import type { JsonObject } from '../../../src/template/json-value.ts';

const API = 'spire.spiffe.io/v1alpha1';
const NS_SA =
  'spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}';
const LITERAL =
  'spiffe://example.org/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}';

export function makePolicy(spec: JsonObject): JsonObject {
  return {
    apiVersion: API,
    kind: 'ClusterSPIFFEID',
    metadata: { name: 'policy' },
    spec: { spiffeIDTemplate: NS_SA, ...spec },
  };
}

export const STATIC_SPEC: JsonObject = {
  spiffeID: 'spiffe://example.org/batch',
  parentID: 'spiffe://example.org/spire/agent/one',
  selectors: ['unix:uid:1000', 'unix:gid:1000'],
};

export function makeStaticEntry(spec: JsonObject): JsonObject {
  return {
    apiVersion: API,
    kind: 'ClusterStaticEntry',
    metadata: { name: 'entry' },
    spec: { ...STATIC_SPEC, ...spec },
  };
}

export function makeFederated(spec: JsonObject): JsonObject {
  return {
    apiVersion: API,
    kind: 'ClusterFederatedTrustDomain',
    metadata: { name: 'partner' },
    spec: {
      trustDomain: 'partner.example',
      bundleEndpointURL: 'https://partner.example/bundle',
      bundleEndpointProfile: { type: 'https_web' },
      ...spec,
    },
  };
}

export function makeRestriction(spec: JsonObject): JsonObject {
  return {
    apiVersion: 'signet.dev/v1alpha1',
    kind: 'IdentityRestriction',
    metadata: { name: 'restriction' },
    spec: { match: { namespace: 'shop' }, suspend: true, ...spec },
  };
}

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
export const BUNDLE = JSON.stringify({
  keys: [{ ...publicKey.export({ format: 'jwk' }), use: 'jwt-svid', kid: 'one' }],
  spiffe_sequence: 1,
  spiffe_refresh_hint: 300,
});

/** Names, with the section they have the shape of. */
export const ACCEPTED: readonly (readonly [string, JsonObject])[] = [
  [
    '4.1 a literal trust domain, by namespace label',
    makePolicy({
      spiffeIDTemplate: LITERAL,
      namespaceSelector: { matchLabels: { backend: 'true' } },
    }),
  ],
  [
    '4.1 federation by pod label',
    makePolicy({ podSelector: { matchLabels: { bank: 'true' } }, federatesWith: ['auditing'] }),
  ],
  [
    '4.1 a DNS name from a template',
    makePolicy({
      dnsNameTemplates: ['{{ .PodMeta.Name }}.{{ .PodMeta.Namespace }}.{{ .ClusterDomain }}'],
    }),
  ],
  [
    '4.1 the path from a label that exists',
    makePolicy({
      spiffeIDTemplate:
        'spiffe://{{ .TrustDomain }}/{{ index .PodMeta.Labels "spiffe.io/spiffe-id" }}',
      podSelector: { matchExpressions: [{ key: 'spiffe.io/spiffe-id', operator: 'Exists' }] },
    }),
  ],
  ['4.1 no selectors', makePolicy({})],
  [
    '4.1 no template action',
    makePolicy({
      spiffeIDTemplate: 'spiffe://example.org/greeter',
      podSelector: { matchLabels: { 'spire.spiffe.io/spiffeid': 'greeter' } },
      federatesWith: ['other.demo'],
    }),
  ],
  [
    '4.2 only workload selectors restrict it',
    makePolicy({ workloadSelectorTemplates: ['k8s:ns:gateways', 'k8s:sa:gateway'] }),
  ],
  [
    '4.2 a selector with more colons and a slash',
    makePolicy({
      workloadSelectorTemplates: ['k8s:ns:default', 'k8s:pod-label:spiffe.io/managed:true'],
    }),
  ],
  ['4.2 a selector with a star', makePolicy({ workloadSelectorTemplates: ['k8s:ns:*'] })],
  [
    '4.3 the default of a chart',
    makePolicy({
      className: 'server-one',
      hint: 'default',
      namespaceSelector: {
        matchExpressions: [
          { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['one', 'two'] },
        ],
      },
      fallback: true,
    }),
  ],
  [
    '4.3 the OIDC provider of a chart',
    makePolicy({
      podSelector: { matchLabels: { component: 'oidc', release: 'one' } },
      namespaceSelector: {
        matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: ['one'] }],
      },
      dnsNameTemplates: ['oidc.{{ .TrustDomain }}'],
      autoPopulateDNSNames: true,
    }),
  ],
  ['4.3 a nested server', makePolicy({ downstream: true })],
  [
    '4.3 a selector of a container',
    makePolicy({ workloadSelectorTemplates: ['k8s:container-name:agent'] }),
  ],
  [
    '4.4 a long path',
    makePolicy({
      spiffeIDTemplate:
        'spiffe://example.org/workload/web/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}/n/{{ .PodMeta.Name }}',
      workloadSelectorTemplates: ['k8s:ns:web', 'k8s:sa:web'],
    }),
  ],
  [
    '4.4 labels with a dot, and by index in a DNS name',
    makePolicy({
      spiffeIDTemplate: 'spiffe://{{ .TrustDomain }}/zone/{{ .PodMeta.Labels.zone }}',
      dnsNameTemplates: ['{{ index .PodMeta.Labels "example.org/host" }}'],
    }),
  ],
  [
    '4.4 a template in a selector',
    makePolicy({ workloadSelectorTemplates: ['k8s:pod-name:{{ .PodMeta.Name }}'] }),
  ],
  ['4.7 D3 https_web', makeFederated({})],
  [
    '4.7 D5 https_spiffe with a bundle',
    makeFederated({
      bundleEndpointProfile: {
        type: 'https_spiffe',
        endpointSPIFFEID: 'spiffe://partner.example/server',
      },
      trustDomainBundle: BUNDLE,
    }),
  ],
  [
    '4.7 https_spiffe without a bundle',
    makeFederated({
      className: 'server-one',
      bundleEndpointProfile: {
        type: 'https_spiffe',
        endpointSPIFFEID: 'spiffe://partner.example/server',
      },
    }),
  ],
  [
    '4.7 B4 every field of a static entry, federating with itself',
    makeStaticEntry({
      federatesWith: ['example.org'],
      x509SVIDTTL: '2h',
      jwtSVIDTTL: '6m',
      dnsNames: ['static-dns'],
      hint: 'static',
      admin: true,
      downstream: true,
      storeSVID: true,
    }),
  ],
  ['a restriction', makeRestriction({ until: '2026-01-31T12:00:00Z', maxX509SVIDTTL: '10m' })],
];
