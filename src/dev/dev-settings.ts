// What is fixed in dev mode, and in a cluster is a matter of configuration.

import type { WebhookSettings } from '../webhook/webhook-settings.ts';

export const DEV_WEBHOOK: WebhookSettings = {
  driverName: 'csi.spiffe.io',
  ownNamespace: 'signet-system',
};
