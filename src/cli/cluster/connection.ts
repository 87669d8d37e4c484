// How a command on an operator's machine, or in a pod of theirs, reaches the API server: by a
// kubeconfig as kubectl finds it, else by the ServiceAccount of the pod.

import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { parseDocument } from 'yaml';
import { CodedError, invalid } from '../../base/errors.ts';
import type { FlagSpecs, Flags } from '../../base/flags.ts';
import { type KubeAccess, serviceAccountAccess } from '../../kube/kube-access.ts';
import { KubeClient } from '../../kube/kube-client.ts';
import { type KubeconfigFile, readKubeconfig } from '../../kube/kubeconfig/kubeconfig.ts';
import { kubeconfigAccess } from '../../kube/kubeconfig/kubeconfig-access.ts';
import type { JsonValue } from '../../template/json-value.ts';
import { VERSION } from '../../version.ts';
import type { CommandContext } from '../command.ts';

export const CONNECTION_FLAGS = {
  kubeconfig: {
    type: 'string',
    help: 'default: $KUBECONFIG, else ~/.kube/config, else the ServiceAccount of the pod',
    value: 'FILE',
  },
  context: { type: 'string', help: 'of the kubeconfig; default: the current one', value: 'NAME' },
  'api-server': {
    type: 'string',
    help: 'with the ServiceAccount of a pod, instead of a kubeconfig',
    value: 'URL',
  },
  'service-account-dir': {
    type: 'string',
    default: '/var/run/secrets/kubernetes.io/serviceaccount',
    help: 'where token and ca.crt of a pod are',
    value: 'DIR',
  },
} as const satisfies FlagSpecs;

export type Connection = {
  readonly client: KubeClient;
  /** The namespace that the context, or the pod, is in. */
  readonly namespace: string;
};

const MAX_KUBECONFIG_BYTES = 4 * 1024 * 1024;
const DEFAULT_NAMESPACE = 'default';

/** Throws `invalid-argument` when nothing says where the cluster is. */
export function connect(
  flags: Flags<typeof CONNECTION_FLAGS>,
  context: Pick<CommandContext, 'clock' | 'environment'>,
): Connection {
  const { access, namespace } = findAccess(flags, context);
  const client = new KubeClient({
    access,
    clock: context.clock,
    userAgent: `signet-cli/${VERSION}`,
  });
  return { client, namespace };
}

function findAccess(
  flags: Flags<typeof CONNECTION_FLAGS>,
  { clock, environment }: Pick<CommandContext, 'clock' | 'environment'>,
): { access: KubeAccess; namespace: string } {
  const directory = flags['service-account-dir'];
  const inPod = (url: string) => ({
    access: serviceAccountAccess({ url, directory, clock }),
    namespace: podNamespace(directory),
  });
  if (flags['api-server'] !== undefined) return inPod(flags['api-server']);
  const files = readFiles(flags.kubeconfig, environment);
  if (files.length > 0) {
    const context = readKubeconfig(files, flags.context);
    const isTerminal = process.stdin.isTTY && process.stderr.isTTY;
    return {
      access: kubeconfigAccess(context, { environment, isTerminal, clock }),
      namespace: context.namespace || DEFAULT_NAMESPACE,
    };
  }
  const host = environment['KUBERNETES_SERVICE_HOST'];
  const port = environment['KUBERNETES_SERVICE_PORT'];
  if (host !== undefined && port !== undefined && existsSync(`${directory}/token`)) {
    return inPod(`https://${host.includes(':') ? `[${host}]` : host}:${port}`);
  }
  throw invalid('no kubeconfig: give --kubeconfig, or set KUBECONFIG');
}

function readFiles(
  given: string | undefined,
  environment: CommandContext['environment'],
): readonly KubeconfigFile[] {
  if (given !== undefined) return [readFile(given)];
  const list = environment['KUBECONFIG'] ?? '';
  const home = environment['HOME'] ?? homedir();
  // As kubectl has it, files that are not there are left out.
  const paths = list === '' ? [join(home, '.kube/config')] : list.split(delimiter);
  return paths.filter((path) => path !== '' && existsSync(path)).map(readFile);
}

function readFile(path: string): KubeconfigFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (thrown) {
    throw invalid(`${path}: cannot be read`, thrown);
  }
  if (text.length > MAX_KUBECONFIG_BYTES) throw invalid(`${path}: too large`);
  const document = parseDocument(text, { stringKeys: true });
  // The parser's own words would quote what stands there, which may be a secret.
  if (document.errors.length > 0) throw invalid(`${path}: not YAML`);
  try {
    return { path, value: document.toJS({ maxAliasCount: 100 }) as JsonValue };
  } catch {
    throw new CodedError('invalid-argument', `${path}: not YAML`);
  }
}

function podNamespace(directory: string): string {
  try {
    return readFileSync(`${directory}/namespace`, 'utf8').trim() || DEFAULT_NAMESPACE;
  } catch {
    return DEFAULT_NAMESPACE;
  }
}
