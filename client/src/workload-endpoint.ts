// Where the Workload API listens: the configured address, else SPIFFE_ENDPOINT_SOCKET. The one file
// of this package that reads the environment; an address that is not exact is refused, not mended.

import { isIPv4, isIPv6 } from 'node:net';
import { invalid } from '../../src/base/errors.ts';

export const ENDPOINT_VARIABLE = 'SPIFFE_ENDPOINT_SOCKET';

/** A longer path is cut off by the operating system's address structure, without an error. */
const MAX_SOCKET_PATH_BYTES = 107;

type Environment = { readonly [name: string]: string | undefined };

/** The gRPC target of `unix:///path`, `unix:/path` or `tcp://ip:port` (SPIFFE Workload Endpoint §4). */
export function workloadEndpoint(
  address?: string,
  // oxlint-disable-next-line no-process-env -- the standard names this variable
  environment: Environment = process.env,
): string {
  const configured = address ?? environment[ENDPOINT_VARIABLE];
  if (configured === undefined || configured === '') {
    throw invalid(`endpoint: not configured, and ${ENDPOINT_VARIABLE} is not set`);
  }
  if (/[^\x21-\x7e]|[?#%]/.test(configured)) {
    throw invalid(
      'endpoint: must have no query, fragment, percent sign, space or control character',
    );
  }
  const scheme = configured.slice(0, configured.indexOf(':') + 1).toLowerCase();
  const rest = configured.slice(scheme.length);
  switch (scheme) {
    case 'unix:':
      return unixTarget(rest);
    case 'tcp:':
      return tcpTarget(rest);
    default:
      throw invalid('endpoint: scheme must be unix or tcp');
  }
}

function unixTarget(rest: string): string {
  const path = rest.startsWith('//') ? rest.slice(2) : rest;
  if (!path.startsWith('/')) {
    throw invalid(
      'endpoint: unix takes an absolute path and no authority, as in unix:///run/s.sock',
    );
  }
  if (path.endsWith('/')) throw invalid('endpoint: unix path must name a socket');
  if (path.length > MAX_SOCKET_PATH_BYTES) {
    throw invalid(`endpoint: unix path must have at most ${MAX_SOCKET_PATH_BYTES} bytes`);
  }
  return `unix://${path}`;
}

function tcpTarget(rest: string): string {
  const match = /^\/\/(?:\[([^\]]*)\]|([^:[\]]*)):([1-9][0-9]{0,4})$/.exec(rest);
  const [, v6 = '', v4 = '', port = ''] = match ?? [];
  if (match === null || !(isIPv6(v6) || isIPv4(v4)) || Number(port) > 65_535) {
    throw invalid('endpoint: tcp takes an IP address and a port only, as in tcp://127.0.0.1:8000');
  }
  return v6 === '' ? `ipv4:${v4}:${port}` : `ipv6:[${v6}]:${port}`;
}
