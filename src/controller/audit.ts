// The controller's own audit log: what it changes in the cluster, signed with the key of its certificate.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { type AuditAnchor, LeaseAnchor } from '../audit/audit-anchor.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import { AuditTrail } from '../audit/audit-trail.ts';
import type { CheckpointSigner } from '../audit/checkpoint.ts';
import type { Clock } from '../base/clock.ts';
import type { Latest } from '../base/latest.ts';
import type { Logger } from '../base/log.ts';
import type { KubeClient } from '../kube/kube-client.ts';
import type { TlsCertificate } from '../transport/http/https-server.ts';

export type ControllerTrailOptions = {
  readonly audit: AuditLog;
  readonly trustDomain: string;
  readonly certificate: Latest<TlsCertificate>;
  readonly client: KubeClient;
  readonly namespace: string;
  /** Write nothing into the cluster. */
  readonly observes: boolean;
  readonly clock: Clock;
  readonly log: Logger;
};

export function controllerTrail(options: ControllerTrailOptions): AuditTrail {
  const { certificate, client, namespace, observes, ...common } = options;
  const anchor: AuditAnchor | undefined = observes ? undefined : new LeaseAnchor(client, namespace);
  let known: { readonly from: TlsCertificate; readonly signer: CheckpointSigner } | undefined;
  const signer = () => {
    const { value } = certificate;
    if (value === undefined) return undefined;
    if (known?.from !== value) known = { from: value, signer: signerOf(value) };
    return known.signer;
  };
  return new AuditTrail({ ...common, signer, anchor });
}

function signerOf({ cert, key }: TlsCertificate): CheckpointSigner {
  return { certificate: new X509Certificate(cert).raw, privateKey: createPrivateKey(key) };
}
