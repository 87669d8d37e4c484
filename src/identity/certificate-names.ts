// The DNS names and the common name of a certificate: what no workload may be called, and, in the strict
// profile, what its author may not choose. Elsewhere they decide who somebody is.

import { invalid } from '../base/errors.ts';
import { COMMON_NAME } from '../crds/entry-limits.ts';
import { checkDnsNames, MAX_DNS_NAMES } from '../spiffe/x509-svid/dns-name.ts';
import type { IdentitySettings } from './settings.ts';

export type CertificateNames = {
  /** From templates. */
  readonly rendered: readonly string[];
  /** Those, and the names of Services that select the pod. */
  readonly all: readonly string[];
  /** The pod's. */
  readonly namespace: string;
};

/** Throws `invalid-argument` naming the name that must not be in a certificate. */
export function checkCertificateNames(names: CertificateNames, settings: IdentitySettings): void {
  const { all, rendered, namespace } = names;
  if (all.length > MAX_DNS_NAMES) throw invalid(`DNS names: ${all.length} exceed ${MAX_DNS_NAMES}`);
  checkDnsNames(all);
  const reserved = all.find((name) => isReserved(name.toLowerCase(), namespace, settings));
  if (reserved !== undefined) throw invalid(`DNS name: ${reserved} is reserved`);
  if (settings.profile !== 'strict') return;
  const foreign = rendered.find((name) => isForeign(name.toLowerCase(), namespace, settings));
  if (foreign !== undefined) throw invalid(`DNS name: ${foreign} is of another namespace`);
}

/** Throws `invalid-argument` unless the text may be a common name. */
export function checkCommonName(name: string): void {
  if (!COMMON_NAME.test(name)) {
    throw invalid(`commonNameTemplate: "${name}" is not 1 to 64 of A-Z a-z 0-9 . _ @ -`);
  }
}

// Compatibility A4. In the strict profile only commonNameTemplate makes a common name: elsewhere it
// is a user name, and DNS names can come from Services that anybody may create.
export function commonNameFrom(
  dnsNames: readonly string[],
  { profile }: Pick<IdentitySettings, 'profile'>,
): string {
  const [first = ''] = dnsNames;
  return profile === 'drop-in' && COMMON_NAME.test(first) ? first : '';
}

/** Of our own endpoints, the API server, and the Services of `kube-system`. */
function isReserved(
  name: string,
  namespace: string,
  { reservedDnsNames, clusterDomain }: IdentitySettings,
): boolean {
  const api = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc'];
  const ours = [...reservedDnsNames, ...api, `kubernetes.default.svc.${clusterDomain}`];
  if (ours.some((other) => covers(name, other))) return true;
  const of = namespaceOf(name, clusterDomain);
  return of === 'kube-system' && namespace !== of;
}

/** Whether it is the name of a Service of another namespace. */
function isForeign(name: string, namespace: string, { clusterDomain }: IdentitySettings): boolean {
  const of = namespaceOf(name, clusterDomain);
  return of !== undefined && of !== namespace;
}

/** The namespace in a name that ends as those of Services do. */
function namespaceOf(name: string, clusterDomain: string): string | undefined {
  const suffix = ['.svc', `.svc.${clusterDomain.toLowerCase()}`].find((end) => name.endsWith(end));
  return suffix === undefined ? undefined : name.slice(0, -suffix.length).split('.').at(-1);
}

// RFC 9525 §6.3: a wildcard stands for the first label, and one label only.
function covers(name: string, reserved: string): boolean {
  if (!name.startsWith('*.')) return name === reserved;
  const dot = reserved.indexOf('.');
  return dot > 0 && name.slice(1) === reserved.slice(dot);
}
