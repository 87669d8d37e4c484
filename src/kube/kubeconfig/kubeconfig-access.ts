// The access that a context of a kubeconfig gives. Files are read again for every request, so that
// what others renew is used; a plugin runs when its credential is about to end or was refused.

import { readFile } from 'node:fs/promises';
import type { Clock } from '../../base/clock.ts';
import { CodedError, invalid } from '../../base/errors.ts';
import type { JsonObject } from '../../template/json-value.ts';
import { type KubeAccess, type KubeCredentials, parseOrigin } from '../kube-access.ts';
import { type ExecCredential, runExecPlugin } from './exec-credential.ts';
import type { KubeconfigContext, Source } from './kubeconfig.ts';

export type KubeconfigSurroundings = {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly isTerminal: boolean;
  readonly clock: Clock;
  readonly execTimeoutMs?: number;
};

const RENEW_BEFORE_MS = 30_000;

/** Throws `invalid-argument` for a context that cannot be used. */
export function kubeconfigAccess(
  context: KubeconfigContext,
  surroundings: KubeconfigSurroundings,
): KubeAccess {
  const { cluster, user } = context;
  const { url, basePath } = parseServer(cluster.server);
  const needsExec = user.exec !== undefined && user.token === undefined;
  if ((user.certificate === undefined) !== (user.key === undefined)) {
    throw invalid(`context ${context.name}: client-certificate and client-key go together`);
  }
  if (!needsExec && user.token === undefined && user.certificate === undefined) {
    throw invalid(`context ${context.name}: its user has no credentials`);
  }
  let held: Promise<ExecCredential> | undefined;
  const execCredential = async (ca: string | undefined): Promise<ExecCredential | undefined> => {
    const { exec } = user;
    if (exec === undefined || !needsExec) return undefined;
    const known = await held;
    if (
      known === undefined ||
      (known.expiresAt !== undefined &&
        known.expiresAt - RENEW_BEFORE_MS < surroundings.clock.now())
    ) {
      const { environment, isTerminal, execTimeoutMs } = surroundings;
      held = runExecPlugin(exec, {
        environment,
        isTerminal,
        cluster: clusterInfo(context, ca),
        ...(execTimeoutMs === undefined ? {} : { timeoutMs: execTimeoutMs }),
      });
      held.catch(() => {
        held = undefined;
      });
    }
    return await held;
  };
  return {
    url,
    ...(basePath === '' ? {} : { basePath }),
    ...(cluster.serverName === undefined ? {} : { serverName: cluster.serverName }),
    credentials: async (): Promise<KubeCredentials> => {
      const [ca, token, cert, key] = await Promise.all(
        [cluster.ca, user.token, user.certificate, user.key].map(read),
      );
      const given = await execCredential(ca);
      const certificate =
        cert === undefined || key === undefined ? given?.certificate : { cert, key };
      const bearer = token?.trim() ?? given?.token;
      return {
        ca,
        ...(bearer === undefined ? {} : { token: bearer }),
        ...(certificate === undefined ? {} : { certificate }),
      };
    },
    forget: () => {
      held = undefined;
    },
  };
}

/** `https://HOST[:PORT][/PATH]`. Throws `invalid-argument`. */
export function parseServer(server: string): { readonly url: string; readonly basePath: string } {
  const match =
    /^https:\/\/(\[[0-9a-fA-F:.]+\]|[^/:?#@\s]+)(?::(\d{1,5}))?((?:\/[^/?#\s]+)*)\/?$/.exec(server);
  if (match === null) {
    throw invalid(`kubeconfig: server ${JSON.stringify(server)} is not https://HOST[:PORT][/PATH]`);
  }
  const [, host = '', port = '443', basePath = ''] = match;
  const url = `https://${host}:${port}`;
  parseOrigin(url);
  return { url, basePath };
}

function clusterInfo({ cluster }: KubeconfigContext, ca: string | undefined): JsonObject {
  return {
    server: cluster.server,
    ...(cluster.serverName === undefined ? {} : { 'tls-server-name': cluster.serverName }),
    ...(ca === undefined
      ? {}
      : { 'certificate-authority-data': Buffer.from(ca).toString('base64') }),
    ...(cluster.execConfig === undefined ? {} : { config: cluster.execConfig }),
  };
}

async function read(source: Source | undefined): Promise<string | undefined> {
  if (source === undefined) return undefined;
  const text = 'text' in source ? source.text : await readSource(source.file);
  // An empty list of authorities would mean those of Node.js, an empty token nobody.
  if (text.trim() === '') throw invalid('kubeconfig: a credential is empty');
  return text;
}

async function readSource(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new CodedError('unavailable', `${file}: cannot be read`, { cause });
  }
}
