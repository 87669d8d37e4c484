// The bundle endpoint of a cluster: in every replica, on a port of its own. It never keeps the webhook
// from being ready: pods must start where peers cannot be served yet.

import { aborted } from '../../base/aborted.ts';
import { bundleEndpoint } from '../../federation/bundle-endpoint.ts';
import { FileCertificate } from '../../federation/file-certificate.ts';
import type { ControllerContext } from '../controller-context.ts';
import type { PublicAuthorities } from '../public-authorities.ts';
import { ServingCertificate } from '../serving-certificate.ts';
import { ownAuthorities } from './own-authorities.ts';

export type EndpointSettings = {
  readonly host?: string;
  readonly port: number;
  /** The certificate: the X509-SVID that the authority role keeps, or the operator's own files. */
  readonly profile:
    | { readonly type: 'https_spiffe' }
    | { readonly type: 'https_web'; readonly directory: string };
  readonly refreshHintSeconds: number;
  readonly onListening?: (port: number) => void;
};

export const BUNDLE_ENDPOINT_SECRET = 'signet-bundle-endpoint';

/** Serves until aborted. Rejects when it cannot listen. */
export async function serveBundle(
  settings: EndpointSettings,
  {
    context,
    authorities,
  }: { readonly context: ControllerContext; readonly authorities: PublicAuthorities },
  signal: AbortSignal,
): Promise<void> {
  const { client, clock, log, namespace } = context;
  const { profile, host, port, refreshHintSeconds, onListening } = settings;
  const own = ownAuthorities(authorities);
  const certificate =
    profile.type === 'https_web'
      ? new FileCertificate({ directory: profile.directory, clock, log })
      : new ServingCertificate({ client, namespace, clock, log, secret: BUNDLE_ENDPOINT_SECRET });
  const server = bundleEndpoint({
    address: { port, ...(host === undefined ? {} : { host }) },
    certificate: certificate.current,
    bundle: () => own()?.bundle,
    refreshHintSeconds,
    log,
  });
  const looking = certificate.run(signal);
  try {
    await certificate.current.first(() => true, signal);
    if (signal.aborted) return;
    await server.start();
    onListening?.(server.port ?? 0);
    log.info({ settings: { port: server.port, profile: profile.type } }, 'Serves the bundle');
    await aborted(signal);
  } finally {
    await server.close();
    await looking;
  }
}
