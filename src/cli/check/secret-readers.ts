// Who, beside our own accounts, could read our key Secrets or get into our pods: to have either is to
// have the keys. Read from roles and bindings; what an authorizer outside RBAC grants is not seen.

import type { JsonObject } from '../../template/json-value.ts';
import { nameOf, objectsIn, textAt, textsIn } from '../cluster/reader.ts';
import { type Check, type CheckTarget, ok, someOf, type Verdict, warn } from './finding.ts';

const RBAC = '/apis/rbac.authorization.k8s.io/v1';

type Right = {
  readonly what: string;
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
};

const RIGHTS: readonly Right[] = [
  { what: 'read Secrets', resources: ['secrets'], verbs: ['get', 'list', 'watch'] },
  {
    what: 'enter pods',
    resources: ['pods/exec', 'pods/attach', 'pods/ephemeralcontainers'],
    verbs: ['create', 'get', 'update', 'patch'],
  },
  {
    what: 'make pods that mount them',
    resources: [
      'pods',
      'deployments',
      'daemonsets',
      'replicasets',
      'replicationcontrollers',
      'statefulsets',
      'jobs',
      'cronjobs',
    ],
    verbs: ['create', 'update', 'patch'],
  },
  {
    what: 'enter pods by way of the kubelet',
    resources: ['nodes/proxy'],
    verbs: ['get', 'create'],
  },
  {
    what: 'act as our ServiceAccounts',
    resources: ['serviceaccounts', 'users', 'groups'],
    verbs: ['impersonate'],
  },
];

/** Kubernetes' own: its administrators and its controllers. */
const EXPECTED =
  /^(?:Group system:masters|User system:(?:kube-controller-manager|kube-scheduler|apiserver)|ServiceAccount kube-system\/.+)$/;

export const SECRET_READERS: Check = {
  name: 'secret-readers',
  run: async (target) => {
    const grants = await readGrants(target);
    const verdicts = RIGHTS.flatMap(({ what, ...right }): readonly Verdict[] => {
      const subjects = grants
        .filter(({ rules }) => rules.some((rule) => grantsAny(rule, right)))
        .flatMap((grant) => grant.subjects)
        .filter((subject) => !EXPECTED.test(subject) && !isOwn(subject, target.namespace));
      const names = [...new Set(subjects)].toSorted();
      if (names.length === 0) return [];
      const hint = `treat them as administrators of every identity, or take it from them in namespace ${target.namespace}`;
      return [warn(`may ${what} in ${target.namespace}: ${someOf(names)}`, hint)];
    });
    return verdicts.length > 0 ? verdicts : [ok('by RBAC nobody else can reach the keys')];
  },
};

type Grant = { readonly rules: readonly JsonObject[]; readonly subjects: readonly string[] };

async function readGrants({ reader, namespace }: CheckTarget): Promise<readonly Grant[]> {
  const own = `${RBAC}/namespaces/${namespace}`;
  const [clusterRoles, roles, clusterBindings, bindings] = [
    (await reader.list(`${RBAC}/clusterroles`)) ?? [],
    (await reader.list(`${own}/roles`)) ?? [],
    (await reader.list(`${RBAC}/clusterrolebindings`)) ?? [],
    (await reader.list(`${own}/rolebindings`)) ?? [],
  ];
  const rulesOf = (kind: string, name: string): readonly JsonObject[] => {
    const role = (kind === 'Role' ? roles : clusterRoles).find((each) => nameOf(each) === name);
    return objectsIn(role ?? {}, 'rules');
  };
  return [...clusterBindings, ...bindings].map((binding) => ({
    rules: rulesOf(textAt(binding, 'roleRef', 'kind'), textAt(binding, 'roleRef', 'name')),
    subjects: objectsIn(binding, 'subjects').map((each) => subjectOf(each, namespace)),
  }));
}

function subjectOf(subject: JsonObject, namespace: string): string {
  const [kind, name] = [textAt(subject, 'kind'), textAt(subject, 'name')];
  if (kind !== 'ServiceAccount') return `${kind} ${name}`;
  return `ServiceAccount ${textAt(subject, 'namespace') || namespace}/${name}`;
}

function isOwn(subject: string, namespace: string): boolean {
  return subject.startsWith(`ServiceAccount ${namespace}/signet-`);
}

function grantsAny(rule: JsonObject, { resources, verbs }: Omit<Right, 'what'>): boolean {
  const has = (key: string, wanted: readonly string[]) =>
    textsIn(rule, key).some((each) => each === '*' || wanted.includes(each));
  const named = textsIn(rule, 'resourceNames');
  const isOfOurs = named.length === 0 || named.some((name) => name.startsWith('signet-'));
  const all = textsIn(rule, 'resources');
  // `*/exec` is every resource's subresource of that name.
  const isResource =
    has('resources', resources) ||
    all.some((each) => resources.some((wanted) => each === `*/${wanted.split('/')[1] ?? ''}`));
  return isOfOurs && has('verbs', verbs) && isResource && has('apiGroups', ['', 'apps', 'batch']);
}
