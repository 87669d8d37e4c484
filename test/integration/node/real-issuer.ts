// An issuer as it ships, over a Unix socket, with pods that a test sets, for node plugins of one node.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileAuditLog } from '../../../src/audit/file-audit-log.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { FileAuthorityStore } from '../../../src/issuer/authority/file-authority-store.ts';
import { createIssuer } from '../../../src/issuer/issuer.ts';
import { IssuerListener } from '../../../src/issuer/issuer-listener.ts';
import { ProcessTokenAuthenticator } from '../../../src/issuer/process-token-authenticator.ts';
import { issuerChannelByTrust } from '../../../src/node/issuer-credentials.ts';
import type { NodePluginOptions } from '../../../src/node/main.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { parseSpiffeId } from '../../../src/spiffe/spiffe-id.ts';
import { GrpcServer } from '../../../src/transport/grpc/grpc-server.ts';
import { fixedAuthorities } from '../../../src/transport/grpc/tls-credentials.ts';
import { entry, MapPodSource, NODE, pod, TRUST_DOMAIN } from '../../unit/issuer/fixtures.ts';

export class RealIssuer {
  readonly pods = new MapPodSource();
  readonly node = NODE;
  readonly trustDomain = TRUST_DOMAIN;
  /** How a plugin reaches it. */
  readonly forPlugin: NodePluginOptions['issuer'];
  readonly #stop: () => Promise<void>;

  private constructor(
    pods: MapPodSource,
    parts: { forPlugin: NodePluginOptions['issuer']; stop: () => Promise<void> },
  ) {
    this.pods = pods;
    this.forPlugin = parts.forPlugin;
    this.#stop = parts.stop;
  }

  static async start(): Promise<RealIssuer> {
    const directory = mkdtempSync(join(tmpdir(), 'signet-issuer-'));
    const stop = new AbortController();
    const pods = new MapPodSource();
    const authenticator = new ProcessTokenAuthenticator(NODE, systemClock);
    const audit = new FileAuditLog(join(directory, 'audit.log'), systemClock);
    const issuer = createIssuer({
      trustDomain: TRUST_DOMAIN,
      store: new FileAuthorityStore(join(directory, 'authorities')),
      pods,
      authenticator,
      audit,
      clock: systemClock,
      log: silentLogger,
      settings: { jwtKeyType: 'ec-p256' },
    });
    const keeping = issuer.run(stop.signal);
    await issuer.authorities.first(() => true, stop.signal);
    const server = new GrpcServer({ services: [issuer.service] });
    const path = join(directory, 'issuer.sock');
    const listener = new IssuerListener({
      address: { path },
      authorities: issuer.authorities,
      accept: (connection) => server.accept(connection),
      log: silentLogger,
    });
    await listener.start();
    const running = Promise.all([keeping, listener.run(stop.signal)]);
    const pem = Buffer.from(issuer.tls().servingCa.map(formatPemCertificate).join(''));
    return new RealIssuer(pods, {
      forPlugin: {
        channel: issuerChannelByTrust({
          target: `unix:${path}`,
          authorities: fixedAuthorities(pem),
          trustDomain: TRUST_DOMAIN,
        }),
        token: async () => authenticator.token,
      },
      stop: async () => {
        await server.close();
        stop.abort();
        await running;
        audit.close();
        rmSync(directory, { recursive: true });
      },
    });
  }

  /** A pod as the fake kubelet names it; gives its SPIFFE ID. */
  addPod(uid: string): string {
    const spiffeId = `spiffe://${TRUST_DOMAIN}/pod/${uid}`;
    this.pods.set(
      pod({
        uid,
        namespace: 'shop',
        name: 'web-1',
        serviceAccount: 'default',
        entries: [entry({ spiffeId: parseSpiffeId(spiffeId) })],
      }),
    );
    return spiffeId;
  }

  async stop(): Promise<void> {
    await this.#stop();
  }
}
