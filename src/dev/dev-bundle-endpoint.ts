// The bundle endpoint of a dev run, as the controller serves it in a cluster: profile https_spiffe, with an
// X509-SVID that the run's own intermediate signs.

import type { Clock } from '../base/clock.ts';
import { Latest } from '../base/latest.ts';
import type { Logger } from '../base/log.ts';
import type { AuthorityStore } from '../issuer/authority/authority-store.ts';
import { readServingLeaf, type ServingLeafDocument } from '../issuer/authority/serving-leaf.ts';
import type { Issuer } from '../issuer/issuer.ts';
import { BUNDLE_LIMITS, bundleDocument } from '../public/bundle.ts';
import { servePublic } from '../public/public-listener.ts';
import { formatPemCertificate } from '../spiffe/pem.ts';
import type { TlsCertificate } from '../transport/http/https-server.ts';

export type DevBundleEndpoint = {
  readonly address: { readonly host: string; readonly port: number };
  readonly refreshHintSeconds: number;
};

export type DevEndpointContext = {
  readonly issuer: Issuer;
  readonly store: AuthorityStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onServing: (port: number) => void;
};

/** A renewal changes no authority. */
const LOOK_EVERY_MS = 10_000;

/** Runs until aborted; rejects when it cannot listen. */
export async function serveDevBundle(
  { address, refreshHintSeconds }: DevBundleEndpoint,
  { issuer, store, clock, log, onServing }: DevEndpointContext,
  signal: AbortSignal,
): Promise<void> {
  const certificate = new Latest<TlsCertificate>();
  const follow = async () => {
    let seen: string | undefined;
    while (!signal.aborted) {
      const document = await store.read('bundle-endpoint');
      if (document !== undefined && document.version !== seen) {
        seen = document.version;
        certificate.set(certificateOf(readServingLeaf(document)));
      }
      await clock.sleep(LOOK_EVERY_MS, signal);
    }
  };
  const bundle = () => issuer.authorities.value?.bundle;
  const documents = [bundleDocument(bundle, refreshHintSeconds)];
  const listener = { name: 'bundle', address, documents, certificate, log, limits: BUNDLE_LIMITS };
  await Promise.all([follow(), servePublic({ ...listener, onListening: onServing }, signal)]);
}

function certificateOf({ certificate, chain = [], key }: ServingLeafDocument): TlsCertificate {
  const pem = (base64: string) => formatPemCertificate(Buffer.from(base64, 'base64'));
  const lines = key.match(/.{1,64}/g)?.join('\n');
  return {
    cert: [certificate, ...chain].map(pem).join(''),
    key: `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`,
  };
}
