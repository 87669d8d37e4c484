// The bundle endpoint of a cluster: in every replica, on a port of its own. It never keeps the webhook
// from being ready: pods must start where peers cannot be served yet.

import { BUNDLE_LIMITS, bundleDocument } from '../../public/bundle.ts';
import { CertificateFiles } from '../../public/certificate-files.ts';
import { servePublic } from '../../public/public-listener.ts';
import type { ControllerContext } from '../controller-context.ts';
import type { PublicAuthorities } from '../public-authorities.ts';
import { ServingCertificate } from '../serving-certificate.ts';
import { ownAuthorities } from './own-authorities.ts';

export type EndpointSettings = {
  readonly address: { readonly port: number; readonly host?: string };
  /** The certificate: the X509-SVID that the authority role keeps, or the operator's own files. */
  readonly profile:
    | { readonly type: 'https_spiffe' }
    | { readonly type: 'https_web'; readonly directory: string };
  readonly refreshHintSeconds: number;
  readonly onListening?: (port: number) => void;
};

export const BUNDLE_ENDPOINT_SECRET = 'signet-bundle-endpoint';

type Context = Pick<ControllerContext, 'client' | 'clock' | 'log' | 'namespace'>;

/** Serves until aborted. Rejects when it cannot listen. */
export async function serveBundle(
  { profile, address, refreshHintSeconds, onListening }: EndpointSettings,
  from: { readonly context: Context; readonly authorities: PublicAuthorities },
  signal: AbortSignal,
): Promise<void> {
  const { client, clock, log, namespace } = from.context;
  const own = ownAuthorities(from.authorities);
  const certificate =
    profile.type === 'https_web'
      ? new CertificateFiles({ directory: profile.directory, clock, log })
      : new ServingCertificate({ client, namespace, clock, log, secret: BUNDLE_ENDPOINT_SECRET });
  await Promise.all([
    certificate.run(signal),
    servePublic(
      {
        name: 'bundle',
        address,
        documents: [bundleDocument(() => own()?.bundle, refreshHintSeconds)],
        certificate: certificate.current,
        log,
        limits: BUNDLE_LIMITS,
        ...(onListening === undefined ? {} : { onListening }),
      },
      signal,
    ),
  ]);
}
