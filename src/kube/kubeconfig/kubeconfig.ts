// A kubeconfig, as kubectl reads one: several files of which the first to say something wins. What
// would weaken or redirect the connection is refused by name instead of being left out.

import { dirname, resolve } from 'node:path';
import { invalid } from '../../base/errors.ts';
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  ownValue,
} from '../../template/json-value.ts';

/** A file that parses. */
export type KubeconfigFile = { readonly path: string; readonly value: JsonValue };

/** A value that stands in the kubeconfig, or in a file it names. */
export type Source = { readonly text: string } | { readonly file: string };

export type KubeconfigContext = {
  readonly name: string;
  /** '' when the context names none. */
  readonly namespace: string;
  readonly cluster: KubeconfigCluster;
  readonly user: KubeconfigUser;
};

export type KubeconfigCluster = {
  /** As it stands there. */
  readonly server: string;
  readonly ca: Source | undefined;
  readonly serverName: string | undefined;
  /** What an exec plugin may be told of the cluster. */
  readonly execConfig: JsonValue | undefined;
};

export type KubeconfigUser = {
  readonly token: Source | undefined;
  readonly certificate: Source | undefined;
  readonly key: Source | undefined;
  readonly exec: ExecConfig | undefined;
};

export type ExecConfig = {
  readonly apiVersion: string;
  /** A name for the search path, or an absolute path. */
  readonly command: string;
  readonly args: readonly string[];
  readonly env: readonly (readonly [string, string])[];
  readonly provideClusterInfo: boolean;
  readonly interactive: 'Never' | 'IfAvailable' | 'Always';
  readonly installHint: string;
};

export const EXEC_API_VERSIONS: readonly string[] = [
  'client.authentication.k8s.io/v1',
  'client.authentication.k8s.io/v1beta1',
];

/** The context of a name, else the current one. Throws `invalid-argument` naming what is wrong. */
export function readKubeconfig(
  files: readonly KubeconfigFile[],
  contextName?: string,
): KubeconfigContext {
  const parts = files.map(({ path, value }) => {
    if (!isJsonObject(value)) throw invalid(`${path}: not a kubeconfig`);
    return { path, value };
  });
  const current = parts.map(({ value }) => text(value, 'current-context')).find((each) => each);
  const name = contextName ?? current;
  if (name === undefined) throw invalid('kubeconfig: no current context; give --context');
  const { entry: context } = find(parts, 'contexts', name);
  const cluster = find(parts, 'clusters', text(context, 'cluster'));
  const userName = text(context, 'user');
  return {
    name,
    namespace: text(context, 'namespace'),
    cluster: readCluster(cluster),
    user: userName === '' ? NOBODY : readUser(find(parts, 'users', userName)),
  };
}

type Part = { readonly path: string; readonly value: JsonObject };
type Found = { readonly path: string; readonly name: string; readonly entry: JsonObject };

const NOBODY: KubeconfigUser = {
  token: undefined,
  certificate: undefined,
  key: undefined,
  exec: undefined,
};
/** What each list calls its members. */
const MEMBER = { contexts: 'context', clusters: 'cluster', users: 'user' } as const;

function find(parts: readonly Part[], list: keyof typeof MEMBER, name: string): Found {
  for (const { path, value } of parts) {
    const items = ownValue(value, list);
    if (!Array.isArray(items)) continue;
    for (const item of items as readonly JsonValue[]) {
      if (!isJsonObject(item) || text(item, 'name') !== name) continue;
      const entry = ownValue(item, MEMBER[list]);
      return { path, name, entry: isJsonObject(entry) ? entry : {} };
    }
  }
  throw invalid(`kubeconfig: no ${MEMBER[list]} ${JSON.stringify(name)}`);
}

function readCluster(found: Found): KubeconfigCluster {
  const { entry, name } = found;
  if (ownValue(entry, 'insecure-skip-tls-verify') === true) {
    throw invalid(
      `cluster ${name}: insecure-skip-tls-verify: refused, because whoever answers would get the credentials; give its certificate-authority instead`,
    );
  }
  if (text(entry, 'proxy-url') !== '') {
    throw invalid(`cluster ${name}: proxy-url: not supported; the API server must be reachable`);
  }
  const serverName = text(entry, 'tls-server-name');
  return {
    server: text(entry, 'server'),
    ca: source(found, 'certificate-authority'),
    serverName: serverName === '' ? undefined : serverName,
    execConfig: execExtension(entry),
  };
}

function readUser(found: Found): KubeconfigUser {
  const { entry, name } = found;
  for (const key of ['auth-provider', 'username', 'password']) {
    if (ownValue(entry, key) !== undefined) {
      throw invalid(`user ${name}: ${key}: not supported; use an exec plugin or a token`);
    }
  }
  for (const key of ['as', 'as-uid', 'as-groups', 'as-user-extra']) {
    if (ownValue(entry, key) !== undefined) {
      throw invalid(`user ${name}: ${key}: impersonation is not supported`);
    }
  }
  const token = text(entry, 'token');
  const tokenFile = text(entry, 'tokenFile');
  const exec = ownValue(entry, 'exec');
  return {
    // As kubectl has it, the file wins.
    token:
      tokenFile !== ''
        ? { file: inFile(found, tokenFile) }
        : token === ''
          ? undefined
          : { text: token },
    certificate: source(found, 'client-certificate'),
    key: source(found, 'client-key'),
    exec: isJsonObject(exec) ? readExec(found, exec) : undefined,
  };
}

function readExec(found: Found, exec: JsonObject): ExecConfig {
  const field = `user ${found.name}: exec`;
  const apiVersion = text(exec, 'apiVersion');
  if (!EXEC_API_VERSIONS.includes(apiVersion)) {
    throw invalid(`${field}.apiVersion: must be one of ${EXEC_API_VERSIONS.join(', ')}`);
  }
  const command = text(exec, 'command');
  if (command === '') throw invalid(`${field}.command: missing`);
  const mode = text(exec, 'interactiveMode');
  if (mode !== '' && mode !== 'Never' && mode !== 'IfAvailable' && mode !== 'Always') {
    throw invalid(`${field}.interactiveMode: must be Never, IfAvailable or Always`);
  }
  return {
    apiVersion,
    command: command.includes('/') ? inFile(found, command) : command,
    args: list(exec, 'args').map((arg) => {
      if (typeof arg === 'string') return arg;
      throw invalid(`${field}.args: must be strings`);
    }),
    env: list(exec, 'env').map((each) => {
      const name = isJsonObject(each) ? text(each, 'name') : '';
      if (!isJsonObject(each) || name === '') throw invalid(`${field}.env: name missing`);
      return [name, text(each, 'value')];
    }),
    provideClusterInfo: ownValue(exec, 'provideClusterInfo') === true,
    interactive: mode === '' ? 'IfAvailable' : mode,
    installHint: text(exec, 'installHint'),
  };
}

/** `<key>-data` in base64 wins over the file `<key>`, as in kubectl. */
function source(found: Found, key: string): Source | undefined {
  const data = text(found.entry, `${key}-data`);
  if (data !== '') return { text: Buffer.from(data, 'base64').toString('utf8') };
  const file = text(found.entry, key);
  return file === '' ? undefined : { file: inFile(found, file) };
}

/** Paths are relative to the file they stand in. */
function inFile({ path }: Found, name: string): string {
  return resolve(dirname(path), name);
}

/** KEP-541: an extension of this name is for exec plugins. */
function execExtension(cluster: JsonObject): JsonValue | undefined {
  for (const each of list(cluster, 'extensions')) {
    if (isJsonObject(each) && text(each, 'name') === 'client.authentication.k8s.io/exec') {
      return ownValue(each, 'extension');
    }
  }
  return undefined;
}

function list(object: JsonObject, key: string): readonly JsonValue[] {
  const value = ownValue(object, key);
  return Array.isArray(value) ? (value as readonly JsonValue[]) : [];
}

function text(object: JsonObject, key: string): string {
  const value = ownValue(object, key);
  return typeof value === 'string' ? value : '';
}
