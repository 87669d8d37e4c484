// Where the API server is and how a process proves who it is. The files that a pod gets are read
// again and again: tokens last an hour, and certificate authorities are replaced.

import { readFile } from 'node:fs/promises';
import type { Clock } from '../base/clock.ts';
import { CodedError, invalid } from '../base/errors.ts';

export type KubeCredentials = {
  /** Without one, the certificate says who asks. */
  readonly token?: string;
  readonly certificate?: ClientCertificate;
  /** Undefined: the authorities that Node.js comes with, for people's kubeconfigs only. */
  readonly ca: string | undefined;
};

/** Both in PEM. */
export type ClientCertificate = { readonly cert: string; readonly key: string };

export type KubeAccess = {
  /** Origin of the API server, such as `https://10.0.0.1:443`. */
  readonly url: string;
  /** What stands before every path, such as `/k8s/clusters/c-1`. */
  readonly basePath?: string;
  /** The name on the API server's certificate, where the origin has another. */
  readonly serverName?: string;
  /** The credentials of the next request. */
  readonly credentials: () => Promise<KubeCredentials>;
  /** Called when the API server did not know the token. */
  readonly forget?: () => void;
};

export type ServiceAccountOptions = {
  /** Origin of the API server. */
  readonly url: string;
  /** The directory with `token` and `ca.crt`. */
  readonly directory: string;
  readonly clock: Clock;
};

const READ_AGAIN_MS = 10_000;

/** The access of a pod by its own ServiceAccount. */
export function serviceAccountAccess(options: ServiceAccountOptions): KubeAccess {
  const { url, directory, clock } = options;
  let held: { readonly at: number; readonly credentials: KubeCredentials } | undefined;
  return {
    url,
    credentials: async () => {
      const now = clock.now();
      if (held !== undefined && Math.abs(now - held.at) < READ_AGAIN_MS) return held.credentials;
      const [token, ca] = await Promise.all([
        readCredential(`${directory}/token`),
        readCredential(`${directory}/ca.crt`),
      ]);
      held = { at: now, credentials: { token: token.trim(), ca } };
      return held.credentials;
    },
    forget: () => {
      held = undefined;
    },
  };
}

/** Fixed credentials. */
export function fixedAccess(options: { url: string } & KubeCredentials): KubeAccess {
  const { url, ...credentials } = options;
  return { url, credentials: async () => credentials };
}

/** The origin; throws `invalid-argument`, because a token is never sent in the clear. */
export function parseOrigin(url: string): { readonly host: string; readonly port: number } {
  // Manifests put an IPv6 address between `https://` and the port without brackets.
  const match = /^https:\/\/(?:\[([0-9a-fA-F:.]+)\]|([0-9a-fA-F:.]+|[^/:?#@\s]+)):(\d{1,5})$/.exec(
    url,
  );
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host !== undefined && port > 0 && port < 65536) return { host, port };
  throw invalid(`API server: "${url}" is not of the form https://HOST:PORT`);
}

async function readCredential(path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new CodedError('unavailable', `${path}: cannot be read`, { cause });
  }
  // No authorities at all would mean those of Node.js.
  if (text.trim() === '') throw new CodedError('unavailable', `${path}: empty`);
  return text;
}
