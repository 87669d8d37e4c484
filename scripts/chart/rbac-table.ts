// What each ServiceAccount may do, once and as data: the chart's roles and docs/rbac.md are written from
// it. Names in angle brackets are known when it is installed. No verb and no resource is a wildcard.

export type Component = 'issuer' | 'controller' | 'authority' | 'check';

export type Rule = {
  readonly component: Component;
  /** `own`: in the namespace of the installation. */
  readonly scope: 'cluster' | 'own';
  /** A role of its own that exists only where this value of the chart is set. */
  readonly when?:
    | 'bundle.namespaces'
    | 'bundle.clusterTrustBundle'
    | 'federation.bundleEndpoint.enabled';
  readonly group: string;
  readonly resources: readonly string[];
  readonly names?: readonly string[];
  readonly verbs: readonly string[];
  readonly why: string;
};

const SPIRE = 'spire.spiffe.io';
const READ = ['list', 'watch'];
const KINDS = ['clusterspiffeids', 'clusterstaticentries', 'clusterfederatedtrustdomains'];
const CRDS = [...KINDS.map((kind) => `${kind}.${SPIRE}`), 'identityrestrictions.signet.dev'].join(
  ',',
);
const ADMISSION = 'admissionregistration.k8s.io';
const CERTIFICATES = 'certificates.k8s.io';
const LEASES = 'coordination.k8s.io';
const RBAC = 'rbac.authorization.k8s.io';

const issuer = rulesOf('issuer', [
  ['cluster', '', ['pods', 'namespaces'], READ, 'which identities a pod has'],
  ['cluster', '', ['nodes', 'services'], READ, 'policies that read nodes or name Services'],
  ['cluster', 'discovery.k8s.io', ['endpointslices'], READ, 'the same'],
  ['cluster', SPIRE, ['clusterspiffeids', 'clusterstaticentries'], READ, 'the policies'],
  ['cluster', 'signet.dev', ['identityrestrictions'], READ, 'what takes identities away'],
  ['cluster', 'authentication.k8s.io', ['tokenreviews'], ['create'], 'who a node plugin is'],
  ['own', '', ['configmaps=signet-authority-state'], ['get'], 'which authorities there are'],
  ['own', '', ['configmaps=signet-federated-bundles'], ['get'], 'bundles of other trust domains'],
  [
    'own',
    '',
    ['configmaps=signet-revocations'],
    ['get', 'patch'],
    'revocation lists, which it signs',
  ],
  [
    'own',
    '',
    ['secrets=signet-issuing-keys,signet-issuer-serving'],
    ['get'],
    'the keys it signs and serves with',
  ],
  ['own', LEASES, ['leases=signet-audit'], ['patch'], 'keeps how far its audit log goes'],
]);

const controller = rulesOf('controller', [
  ['cluster', '', ['pods', 'namespaces', 'nodes', 'services'], READ, 'the status of policies'],
  ['cluster', 'discovery.k8s.io', ['endpointslices'], READ, 'the same'],
  ['cluster', SPIRE, KINDS, READ, 'what it validates and reports on'],
  ['cluster', SPIRE, KINDS.map((kind) => `${kind}/status`), ['patch'], 'its reports'],
  [
    'cluster',
    'signet.dev',
    ['identityrestrictions'],
    [...READ, 'create'],
    'suspensions by label become objects',
  ],
  ['cluster', 'signet.dev', ['identityrestrictions/status'], ['patch'], 'its reports'],
  ['cluster', '', ['events'], ['create', 'patch'], 'what happened to a pod'],
  [
    'cluster',
    ADMISSION,
    ['mutatingwebhookconfigurations=signet', 'validatingwebhookconfigurations=signet'],
    ['get', 'patch'],
    'the authorities of its certificate',
  ],
  ['cluster', 'storage.k8s.io', ['csidrivers=<driver name>'], ['get'], 'whose the driver is'],
  ['cluster', LEASES, ['leases'], ['list'], 'whether a SPIRE is at work'],
  ['own', LEASES, ['leases=signet-controller'], ['get', 'update'], 'who leads'],
  ['own', LEASES, ['leases'], ['create'], 'the same; cannot be limited by name'],
  [
    'own',
    '',
    ['configmaps=signet-authority-state,signet-revocations'],
    ['get'],
    'the bundle and the revocation lists',
  ],
  // Applied, not posted: then the API server knows the name when it decides whether to create.
  ['own', '', ['configmaps=signet-bundle'], ['create', 'patch'], 'publishes the bundle'],
  [
    'own',
    '',
    ['configmaps=signet-federated-bundles'],
    ['get', 'create', 'patch'],
    'bundles of other trust domains, which it alone writes',
  ],
  ['own', '', ['secrets=signet-controller-serving'], ['get'], 'the key of its own certificate'],
  ['own', LEASES, ['leases=signet-audit'], ['patch'], 'keeps how far its audit log goes'],
]);

const bundles: readonly Rule[] = [
  ...rulesOf('controller', [
    [
      'cluster',
      '',
      ['configmaps=signet-bundle'],
      ['create', 'patch'],
      'the bundle in labelled namespaces',
    ],
  ]).map((rule) => ({ ...rule, when: 'bundle.namespaces' }) as const),
  ...rulesOf('controller', [
    [
      'cluster',
      CERTIFICATES,
      ['clustertrustbundles=signet.dev:spiffe:<trust domain>'],
      ['create', 'patch'],
      'the bundle for projected volumes',
    ],
    ['cluster', CERTIFICATES, ['signers=signet.dev/spiffe'], ['attest'], 'the same'],
  ]).map((rule) => ({ ...rule, when: 'bundle.clusterTrustBundle' }) as const),
];

const bundleEndpoint: readonly Rule[] = [
  ...rulesOf('controller', [
    [
      'own',
      '',
      ['secrets=signet-bundle-endpoint'],
      ['get'],
      'the key of the X509-SVID of the bundle endpoint',
    ],
  ]),
  ...rulesOf('authority', [
    ['own', '', ['secrets=signet-bundle-endpoint'], ['get', 'patch'], 'the same; renews it'],
  ]),
].map((rule) => ({ ...rule, when: 'federation.bundleEndpoint.enabled' }) as const);

const authority = rulesOf('authority', [
  [
    'own',
    '',
    [
      'secrets=signet-root-key,signet-serving-keys,signet-issuing-keys,signet-issuer-serving,signet-controller-serving',
    ],
    ['get', 'patch'],
    'the keys that it makes and renews',
  ],
  [
    'own',
    '',
    ['secrets'],
    ['create'],
    'the standby root, which nobody may read again; cannot be limited by name',
  ],
  [
    'own',
    '',
    ['configmaps=signet-authority-state,signet-issuer-ca'],
    ['get', 'patch'],
    'what is public of them',
  ],
  ['own', LEASES, ['leases=signet-audit'], ['patch'], 'keeps how far its audit log goes'],
]);

const check = rulesOf('check', [
  ['cluster', '', ['pods', 'nodes'], ['list'], 'who mounts the driver, and where'],
  ['cluster', '', ['services'], ['get'], "whether somebody answers others' webhooks"],
  ['cluster', 'storage.k8s.io', ['csidrivers=<driver name>'], ['get'], 'whose it is'],
  ['cluster', 'storage.k8s.io', ['csinodes'], ['list'], 'which kubelets know it'],
  [
    'cluster',
    ADMISSION,
    ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'],
    ['get', 'list'],
    'ours, and what others left',
  ],
  [
    'cluster',
    'apiextensions.k8s.io',
    [`customresourcedefinitions=${CRDS}`],
    ['get'],
    'whether they have our fields',
  ],
  ['cluster', RBAC, ['clusterroles', 'clusterrolebindings'], ['list'], 'who could read the keys'],
  ['own', RBAC, ['roles', 'rolebindings'], ['list'], 'the same'],
  ['own', 'apps', ['deployments=signet-issuer,signet-controller'], ['get'], 'replicas'],
  ['own', 'apps', ['daemonsets=signet-node'], ['get'], 'the same'],
  ['own', LEASES, ['leases=signet-controller'], ['get'], 'whether somebody leads'],
  ['own', '', ['configmaps=signet-authority-state,signet-issuer-ca'], ['get'], 'authorities'],
]);

export const RBAC_TABLE: readonly Rule[] = [
  ...issuer,
  ...controller,
  ...bundles,
  ...bundleEndpoint,
  ...authority,
  ...check,
];

type Line = readonly [Rule['scope'], string, readonly string[], readonly string[], string];

/** Names stand behind the resource: `secrets=a,b`. All resources of a line have the same names. */
function rulesOf(component: Component, lines: readonly Line[]): readonly Rule[] {
  return lines.map(([scope, group, given, verbs, why]) => {
    const resources = given.map((each) => each.split('=', 1)[0] ?? '');
    const names = given[0]?.split('=')[1]?.split(',');
    const base = { component, scope, group, resources, verbs, why };
    return names === undefined ? base : { ...base, names };
  });
}
