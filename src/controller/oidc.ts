// The OpenID Connect documents of the trust domain, in every replica: on a listener of its own, with a
// certificate that the operator brings or, behind something that has one, with ours.

import type { KeyObject } from 'node:crypto';
import type { AuthorityState } from '../authorities/authority-state.ts';
import { bundleOf } from '../authorities/public-bundle.ts';
import type { Clock } from '../base/clock.ts';
import type { Latest } from '../base/latest.ts';
import type { Logger } from '../base/log.ts';
import { CertificateFiles } from '../public/certificate-files.ts';
import { oidcDocuments } from '../public/oidc.ts';
import { servePublic } from '../public/public-listener.ts';
import { type IssuerUrl, issuerHost } from '../spiffe/jwt-svid/issuer-url.ts';
import type { TlsCertificate } from '../transport/http/https-server.ts';

export type OidcOptions = {
  readonly issuer: IssuerUrl;
  readonly address: { readonly port: number; readonly host?: string };
  /** Names beside the issuer's own under which it answers. */
  readonly hosts: readonly string[];
  /** Holds tls.crt and tls.key; left out: the certificate of the webhook. */
  readonly tlsDirectory?: string;
  readonly onListening?: (port: number) => void;
};

type Context = {
  readonly authorities: Latest<AuthorityState>;
  readonly certificate: Latest<TlsCertificate>;
  readonly clock: Clock;
  readonly log: Logger;
};

/** Runs until aborted; rejects when it cannot listen. */
export async function serveOidc(
  { issuer, address, hosts, tlsDirectory: directory, onListening }: OidcOptions,
  { authorities, certificate, clock, log }: Context,
  signal: AbortSignal,
): Promise<void> {
  const files =
    directory === undefined ? undefined : new CertificateFiles({ directory, clock, log });
  await Promise.all([
    files?.run(signal),
    servePublic(
      {
        name: 'oidc',
        address,
        documents: oidcDocuments(issuer, keysOf(authorities)),
        hosts: new Set([issuerHost(issuer), ...hosts].map((host) => host.toLowerCase())),
        certificate: files?.current ?? certificate,
        log,
        ...(onListening === undefined ? {} : { onListening }),
      },
      signal,
    ),
  ]);
}

/** The keys of the state that is known now; the same object while it is the same state. */
function keysOf(authorities: Latest<AuthorityState>) {
  let known: { readonly of: AuthorityState; readonly keys: ReadonlyMap<string, KeyObject> };
  return () => {
    const state = authorities.value;
    if (state === undefined) return undefined;
    if (known?.of !== state) known = { of: state, keys: bundleOf(state).jwtAuthorities };
    return known.keys;
  };
}
