// The webhook as one thing to start and to close. Every replica runs one; it keeps no state.

import type { Latest } from '../base/latest.ts';
import type { Logger } from '../base/log.ts';
import type { AdmissionSettings } from '../crds/admission/sample.ts';
import type { HttpLimits } from '../transport/http/http-limits.ts';
import { HttpsServer, type TlsCertificate } from '../transport/http/https-server.ts';
import { type AdmissionCount, AdmissionCounts } from './server/admission-counts.ts';
import { admissionRoutes } from './server/admission-routes.ts';
import type { NamespaceLabels } from './server/namespace-labels.ts';
import type { WebhookSettings } from './webhook-settings.ts';

export type WebhookServerOptions = {
  readonly settings: WebhookSettings;
  readonly admission: AdmissionSettings;
  readonly namespaces: NamespaceLabels;
  /** Not an SVID: the webhook must start before anything has an identity. */
  readonly certificate: Latest<TlsCertificate>;
  readonly address: { readonly port: number; readonly host?: string };
  readonly log: Logger;
  readonly limits?: Partial<HttpLimits>;
  /** PEM, where the API server is set up to show a certificate of its own. */
  readonly clientAuthorities?: string;
};

export type WebhookServer = {
  /** Resolves when requests are answered; there must be a certificate by then. */
  start(): Promise<void>;
  /** Answers what is under way, then closes. */
  close(): Promise<void>;
  /** Where it listens, once it does. */
  readonly port: number | undefined;
  counts(): readonly AdmissionCount[];
};

/** An object and its old version, which the API server lets grow to 1.5 MB each. */
export const MAX_REVIEW_BYTES = 3 * 1024 * 1024;

export function createWebhookServer(options: WebhookServerOptions): WebhookServer {
  const { settings, admission, namespaces, certificate, address, log } = options;
  const counts = new AdmissionCounts();
  const server = new HttpsServer({
    address,
    certificate,
    log,
    routes: admissionRoutes({ settings, admission, namespaces, counts, log }),
    limits: { maxBodyBytes: MAX_REVIEW_BYTES, ...options.limits },
    ...(options.clientAuthorities === undefined
      ? {}
      : { clientAuthorities: options.clientAuthorities }),
  });
  return {
    start: async () => await server.start(),
    close: async () => await server.close(),
    get port() {
      return server.port;
    },
    counts: () => counts.list(),
  };
}
