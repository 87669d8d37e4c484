// Objects of the API, as far as the helpers look into them, and the paths they live at.

export type Metadata = {
  readonly name?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly generateName?: string;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
};

export type KubeObject = {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: Metadata;
  readonly [field: string]: unknown;
};

type Condition = { readonly type: string; readonly status: string; readonly reason?: string };

export type ContainerStatus = {
  readonly name: string;
  readonly restartCount: number;
  readonly state?: ContainerState;
};

type ContainerState = {
  readonly running?: { readonly startedAt: string };
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly terminated?: { readonly exitCode: number; readonly startedAt: string };
};

export type Pod = KubeObject & {
  readonly spec: { readonly nodeName?: string; readonly [field: string]: unknown };
  readonly status?: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly conditions?: readonly Condition[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
};

export type Conditioned = KubeObject & {
  readonly status?: { readonly conditions?: readonly Condition[] };
};

/** Where the kind is in the API; an object without a namespace is cluster-scoped. */
export function collectionPath({ apiVersion = 'v1', kind = '', metadata }: KubeObject): string {
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const { namespace } = metadata;
  const scope = namespace === undefined ? '' : `/namespaces/${namespace}`;
  return `${group}${scope}/${pluralOf(kind)}`;
}

export function objectPath(object: KubeObject): string {
  return `${collectionPath(object)}/${object.metadata.name ?? ''}`;
}

export function podPath(namespace: string, name: string): string {
  return `/api/v1/namespaces/${namespace}/pods/${name}`;
}

export function hasCondition(object: Conditioned, type: string, status = 'True'): boolean {
  const conditions = object.status?.conditions ?? [];
  return conditions.some((condition) => condition.type === type && condition.status === status);
}

function pluralOf(kind: string): string {
  const name = kind.toLowerCase();
  if (name === 'endpoints') return name;
  if (name.endsWith('y')) return `${name.slice(0, -1)}ies`;
  return name.endsWith('s') ? `${name}es` : `${name}s`;
}
