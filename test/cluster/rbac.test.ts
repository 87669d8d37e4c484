// Least privilege, by the API server's own record of the run: nothing was asked that is not granted,
// and nothing is granted that was not used. Runs after all others, so that everything has happened.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { before, suite, test } from 'node:test';
import { attached } from './lib/attached.ts';
import type { AuditEntry } from './lib/audit-log.ts';
import { until } from './lib/commands.ts';
import { policy, remove } from './lib/identities.ts';
import type { KubeObject } from './lib/kube-object.ts';
import { figure } from './lib/report.ts';
import { SIGNET_NAMESPACE } from './lib/signet.ts';

const cluster = attached();
const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const OURS = '?labelSelector=app.kubernetes.io/name%3Dsignet';
const ACCOUNTS = ['signet-issuer', 'signet-controller', 'signet-node', 'signet-authority'];
const WIDE = ['nodes', 'services', 'endpointslices'];
const PREFIX = `system:serviceaccount:${SIGNET_NAMESPACE}:`;

/** Granted, and not needed in every run, with the reason. */
const UNUSED: ReadonlyMap<string, string> = new Map([
  ['signet-controller patch events', 'only for an event that comes again'],
  ['signet-controller create configmaps signet-bundle', 'only when somebody took it away'],
  ['signet-controller create configmaps signet-federated-bundles', 'the same'],
]);
/** Asked and refused on purpose, with the reason. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  [
    'signet-authority get secrets signet/signet-standby-root-key: 403',
    'how the job sees that it may not read the standby root',
  ],
]);

type Rule = {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
};
type Role = KubeObject & { readonly rules?: readonly Rule[] };
type Binding = KubeObject & {
  readonly roleRef: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly { readonly name: string; readonly namespace?: string }[];
};

/** One thing that an account may do. */
type Grant = {
  readonly account: string;
  readonly namespace: string | undefined;
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly name: string | undefined;
};

/** A trust domain whose endpoint nobody has, and whose bundle is stored all the same. */
const partner = (): KubeObject => ({
  apiVersion: 'spire.spiffe.io/v1alpha1',
  kind: 'ClusterFederatedTrustDomain',
  metadata: { name: 'rbac-partner' },
  spec: {
    trustDomain: 'rbac-partner.test',
    bundleEndpointURL: 'https://rbac-partner.test/bundle',
    bundleEndpointProfile: { type: 'https_web' },
    trustDomainBundle: JSON.stringify({
      keys: [{ ...PARTNER_KEY.export({ format: 'jwk' }), use: 'jwt-svid', kid: 'one' }],
    }),
  },
});
const PARTNER_KEY = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey;

suite('what the accounts may do', () => {
  let entries: readonly AuditEntry[] = [];
  before(async () => {
    // What only policies need that look at nodes and Services.
    const wide = policy('rbac-wide', {
      spiffeIDTemplate: 'spiffe://{{ .TrustDomain }}/node/{{ .NodeMeta.Name }}',
      podSelector: { matchLabels: { 'rbac-wide': 'true' } },
      autoPopulateDNSNames: true,
    });
    await cluster.api.apply(wide, partner());
    entries = await until('use of everything for policies', () => {
      const seen = cluster.audit().filter(({ user }) => accountOf(user) !== undefined);
      const has = (account: string): boolean =>
        WIDE.every((resource) =>
          seen.some((entry) => entry.user === PREFIX + account && entry.resource === resource),
        );
      const hasStored = seen.some(
        ({ verb, name }) => verb === 'patch' && name === 'signet-federated-bundles',
      );
      return hasStored && has('signet-issuer') && has('signet-controller') ? seen : undefined;
    });
    await remove(cluster, wide);
    await remove(cluster, partner());
  });

  test('the record is of a run in which they worked', () => {
    for (const account of ['signet-issuer', 'signet-controller', 'signet-authority']) {
      assert.ok(
        entries.some(({ user }) => user === PREFIX + account),
        `nothing of ${account}`,
      );
    }
  });

  test('nothing was refused to them', () => {
    // An API server that has just started refuses for a moment what it allows before and after.
    const what = ({ user, verb, group, resource, namespace, name }: AuditEntry): string =>
      JSON.stringify([user, verb, group, resource, namespace, name]);
    const allowed = new Set(entries.filter((entry) => entry.allowed).map(what));
    const refused = entries.filter((entry) => !entry.allowed && !allowed.has(what(entry)));
    assert.deepEqual(
      [...new Set(refused.map(described))].filter((text) => !REFUSED.has(text)),
      [],
    );
  });

  test('everything that is granted was used', async () => {
    const grants = await grantsOf();
    assert.ok(grants.length > 40, `${grants.length} grants`);
    figure('grants of the accounts', grants.length, 'verbs of resources');
    const isUsed = (grant: Grant): boolean => entries.some((entry) => uses(entry, grant));
    // An API server that streams lists is asked for a watch alone; an older one is asked for both.
    const unused = grants.filter(
      (grant) => !(isUsed(grant) || (grant.verb === 'list' && isUsed({ ...grant, verb: 'watch' }))),
    );
    const unexplained = unused.map(grantText).filter((text) => !UNUSED.has(text));
    assert.deepEqual(unexplained, []);
  });

  test('the node plugin asks the API server nothing', async () => {
    assert.deepEqual(
      entries.filter(({ user }) => user === `${PREFIX}signet-node`).map(described),
      [],
    );
    const grants = await grantsOf();
    assert.deepEqual(
      grants.filter(({ account }) => account === 'signet-node'),
      [],
    );
  });
});

async function grantsOf(): Promise<readonly Grant[]> {
  const read = async <T extends KubeObject>(kind: string): Promise<readonly T[]> =>
    await cluster.api.list<T>(`${RBAC}/${kind}${OURS}`);
  const roles = [...(await read<Role>('roles')), ...(await read<Role>('clusterroles'))];
  const bindings = [
    ...(await read<Binding>('rolebindings')),
    ...(await read<Binding>('clusterrolebindings')),
  ];
  return bindings.flatMap((binding) => grantsOfBinding(binding, roles));
}

function grantsOfBinding({ metadata, roleRef, subjects = [] }: Binding, roles: readonly Role[]) {
  const { namespace } = metadata;
  const role = roles.find(
    ({ metadata }) =>
      metadata.name === roleRef.name &&
      (metadata.namespace === undefined) === (roleRef.kind === 'ClusterRole'),
  );
  assert.ok(role !== undefined, `no ${roleRef.kind} ${roleRef.name} of ours`);
  return subjects.flatMap(({ name: account }) =>
    ACCOUNTS.includes(account)
      ? (role.rules ?? []).flatMap((rule) => grantsOfRule(rule, { account, namespace }))
      : [],
  );
}

function grantsOfRule(
  { apiGroups, resources, resourceNames = [], verbs }: Rule,
  of: Pick<Grant, 'account' | 'namespace'>,
): readonly Grant[] {
  const names = resourceNames.length === 0 ? [undefined] : resourceNames;
  return apiGroups.flatMap((group) =>
    resources.flatMap((resource) =>
      verbs.flatMap((verb) => names.map((name) => ({ ...of, verb, group, resource, name }))),
    ),
  );
}

function uses(entry: AuditEntry, grant: Grant): boolean {
  return (
    entry.allowed &&
    entry.user === PREFIX + grant.account &&
    verbsOf(entry).includes(grant.verb) &&
    entry.group === grant.group &&
    entry.resource === grant.resource &&
    (grant.name === undefined || entry.name === grant.name) &&
    (grant.namespace === undefined || entry.namespace === grant.namespace)
  );
}

/** An apply that makes the object needs `create` as well as `patch`. */
function verbsOf({ verb, status }: AuditEntry): readonly string[] {
  return verb === 'patch' && status === 201 ? ['patch', 'create'] : [verb];
}

function accountOf(user: string): string | undefined {
  return ACCOUNTS.find((account) => user === PREFIX + account);
}

function described({ user, verb, group, resource, namespace, name, status }: AuditEntry): string {
  const what = group === '' ? resource : `${resource}.${group}`;
  return `${accountOf(user) ?? user} ${verb} ${what} ${namespace}/${name}: ${status}`;
}

function grantText({ account, verb, resource, name }: Grant): string {
  return `${account} ${verb} ${resource}${name === undefined ? '' : ` ${name}`}`;
}
