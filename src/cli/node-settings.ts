// Values of flags of processes that run in a cluster, read as strictly as everything else. Each throws
// `invalid-argument` with the flag's name.

import { posix } from 'node:path';
import { invalid } from '../base/errors.ts';
import type { HealthAddress } from '../node/health.ts';

const DNS_NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;
const MAX_DNS_NAME = 253;
/** A DNS name, an IPv4 address, or an IPv6 address in brackets; then a port. */
const ADDRESS = /^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?\.?|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/;
const MAX_PORT = 65535;

export function required(flag: string, value: string | undefined): string {
  if (value === undefined || value === '') throw invalid(`${flag}: must be given`);
  return value;
}

/** What names an object of Kubernetes, or a CSI driver. */
export function dnsName(flag: string, text: string): string {
  if (text.length <= MAX_DNS_NAME && DNS_NAME.test(text)) return text;
  throw invalid(`${flag}: "${text}" is not a DNS name in lower case`);
}

export function absolutePath(flag: string, text: string): string {
  // Paths are compared as texts with what the kubelet says.
  if (text.length > 1 && posix.normalize(text) === text && /^\/.*[^/]$/.test(text)) return text;
  throw invalid(`${flag}: "${text}" is not an absolute path without ".", ".." and a last "/"`);
}

export function positive(flag: string, ms: number): number {
  if (ms > 0) return ms;
  throw invalid(`${flag}: must be more than 0`);
}

/** `HOST:PORT` or `dns:///HOST:PORT`, as the latter. */
export function issuerTarget(text: string): string {
  const { host, port } = hostAndPort('--issuer-address', text.replace(/^dns:\/\/\//, ''));
  return `dns:///${host}:${port}`;
}

export function healthAddress(text: string): HealthAddress {
  const { host, port } = hostAndPort('--health-address', text);
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port };
}

function hostAndPort(flag: string, text: string): HealthAddress {
  const [, host = '', , digits = ''] = ADDRESS.exec(text) ?? [];
  const port = Number(digits);
  // Port 0 is of use to tests: any that is free.
  const isPort = digits !== '' && port <= MAX_PORT && (port > 0 || flag === '--health-address');
  if (host === '' || !isPort) throw invalid(`${flag}: "${text}" is not HOST:PORT`);
  return { host, port };
}
