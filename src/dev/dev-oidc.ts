// The OpenID Connect documents of a dev run, as the controller serves them in a cluster: the same
// listener, with a certificate that the run's own serving authority signs.

import { X509Certificate } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { aborted } from '../base/aborted.ts';
import { Latest } from '../base/latest.ts';
import type { Logger } from '../base/log.ts';
import type { AuthorityStore } from '../issuer/authority/authority-store.ts';
import {
  bundleEndpoint,
  controllerEndpoint,
  issuerEndpoint,
  readServingLeaf,
} from '../issuer/authority/serving-leaf.ts';
import type { Issuer } from '../issuer/issuer.ts';
import type { IssuerSettings } from '../issuer/issuer-settings.ts';
import { oidcDocuments } from '../public/oidc.ts';
import { servePublic } from '../public/public-listener.ts';
import { type IssuerUrl, issuerHost } from '../spiffe/jwt-svid/issuer-url.ts';
import { formatPemCertificate } from '../spiffe/pem.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { TlsCertificate } from '../transport/http/https-server.ts';

export type DevOidc = {
  readonly issuer: IssuerUrl;
  readonly address: { readonly host: string; readonly port: number };
};

export type DevOidcContext = {
  readonly issuer: Issuer;
  readonly store: AuthorityStore;
  /** Where what clients of the listener trust is written, as PEM. */
  readonly authoritiesPath: string;
  readonly log: Logger;
  readonly onServing: (port: number) => void;
};

/** `iss`, and one certificate more for each listener. */
export function devIssuerSettings(
  trustDomain: TrustDomain,
  oidc: DevOidc | undefined,
  servesBundle: boolean,
): IssuerSettings {
  const endpoints = [
    issuerEndpoint(trustDomain),
    ...(servesBundle ? [bundleEndpoint(trustDomain)] : []),
  ];
  if (oidc === undefined) return { endpoints };
  const { issuer } = oidc;
  const dnsNames = [...new Set([issuerHost(issuer), 'localhost'])];
  return {
    jwtIssuer: issuer,
    endpoints: [...endpoints, controllerEndpoint(trustDomain, dnsNames)],
  };
}

/** Runs until aborted; rejects when it cannot listen. */
export async function serveDevOidc(
  oidc: DevOidc | undefined,
  context: DevOidcContext,
  signal: AbortSignal,
): Promise<void> {
  if (oidc === undefined) return await aborted(signal);
  const { issuer, address } = oidc;
  const certificate = new Latest<TlsCertificate>();
  const follow = async () => {
    // A renewal changes no authority; but an intermediate changes every day, which is soon enough.
    for await (const { serving } of context.issuer.authorities.watch(signal)) {
      writeTrust(context.authoritiesPath, serving.servingCa);
      const next = await readCertificate(context.store);
      if (next !== undefined) certificate.set(next);
    }
  };
  await Promise.all([
    follow(),
    servePublic(
      {
        name: 'oidc',
        address,
        documents: oidcDocuments(issuer, () => {
          return context.issuer.authorities.value?.bundle.jwtAuthorities;
        }),
        hosts: new Set([issuerHost(issuer), 'localhost']),
        certificate,
        log: context.log,
        onListening: context.onServing,
      },
      signal,
    ),
  ]);
}

async function readCertificate(store: AuthorityStore): Promise<TlsCertificate | undefined> {
  const document = await store.read('controller-serving');
  if (document === undefined) return undefined;
  const { certificate, key } = readServingLeaf(document);
  const pem = (label: string, base64: string) =>
    `-----BEGIN ${label}-----\n${base64.match(/.{1,64}/g)?.join('\n')}\n-----END ${label}-----\n`;
  return {
    cert: new X509Certificate(Buffer.from(certificate, 'base64')).toString(),
    key: pem('PRIVATE KEY', key),
  };
}

function writeTrust(path: string, authorities: readonly Uint8Array[]): void {
  writeFileSync(`${path}.new`, authorities.map(formatPemCertificate).join(''), { mode: 0o644 });
  renameSync(`${path}.new`, path);
}
