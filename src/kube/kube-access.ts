// Where the API server is and how a process proves who it is. The files that a pod gets are read
// again and again: tokens last an hour, and certificate authorities are replaced.

import { readFile } from 'node:fs/promises';
import type { Clock } from '../base/clock.ts';
import { CodedError, invalid } from '../base/errors.ts';

export type KubeCredentials = { readonly token: string; readonly ca: string };

export type KubeAccess = {
  /** Origin of the API server, such as `https://10.0.0.1:443`. */
  readonly url: string;
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
  const { url, token, ca } = options;
  return { url, credentials: async () => ({ token, ca }) };
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
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new CodedError('unavailable', `${path}: cannot be read`, { cause });
  }
}
