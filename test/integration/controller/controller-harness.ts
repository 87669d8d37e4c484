// A cluster in small: a fake API server with what an installation brings, and controllers as
// `signet controller` runs them.

import { request } from 'node:https';
import { emptyState } from '../../../src/authorities/authority-state.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { COLLECTIONS } from '../../../src/cluster-view/cluster-view.ts';
import { type ControllerProcessOptions, runController } from '../../../src/controller/main.ts';
import { DEFAULT_IDENTITY_SETTINGS } from '../../../src/identity/settings.ts';
import { fixedAccess } from '../../../src/kube/kube-access.ts';
import {
  createServingAuthority,
  createServingLeaf,
  type X509Authority,
} from '../../../src/spiffe/authority/x509-authority.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import {
  mutatingWebhookConfiguration,
  validatingWebhookConfiguration,
} from '../../../src/webhook/webhook-configuration.ts';
import { type ApiObject, FakeApiServer } from '../../fakes/fake-api-server.ts';
import { probe, until } from '../process-harness.ts';

export const TRUST_DOMAIN = parseTrustDomain('example.org');
export const CONFIG_MAPS = '/api/v1/configmaps';
export const SECRETS = '/api/v1/secrets';
export const EVENTS = '/api/v1/events';
export const MUTATING = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
export const VALIDATING = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
export const SERVICE = 'signet-webhook.signet.svc';
const SETTINGS = { driverName: 'csi.spiffe.io', ownNamespace: 'signet' };
const PATIENCE_MS = 20_000;
const HOUR = 3600;

type Options = Partial<
  Pick<ControllerProcessOptions, 'settings' | 'log' | 'observes' | 'adopts' | 'oidc' | 'federation'>
>;

export class ControllerHarness {
  readonly api: FakeApiServer;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[] = [];
  readonly #authorities: { kind: string; authority: X509Authority }[] = [];
  #sequence = 0;
  ports = { webhook: 0, health: 0 };

  private constructor(api: FakeApiServer) {
    this.api = api;
    api.set(COLLECTIONS.Namespace, { metadata: { name: 'shop' } });
    const configuration = {
      name: 'signet',
      settings: SETTINGS,
      caBundle: '',
      service: { name: 'signet-webhook', namespace: 'signet', port: 443 },
    };
    api.set(MUTATING, mutatingWebhookConfiguration(configuration) as ApiObject);
    api.set(VALIDATING, validatingWebhookConfiguration(configuration) as ApiObject);
  }

  static async start(): Promise<ControllerHarness> {
    return new ControllerHarness(await FakeApiServer.start());
  }

  /** Adds an authority to the public state, as the authority role does. */
  async addAuthority(kind: 'root' | 'serving'): Promise<X509Authority> {
    const authority = await createServingAuthority({
      trustDomain: TRUST_DOMAIN,
      notBefore: Date.now() - 60_000,
      notAfter: Date.now() + HOUR * 1000,
    });
    this.#authorities.push({ kind, authority });
    const now = Math.floor(Date.now() / 1000);
    const state = {
      ...emptyState(TRUST_DOMAIN),
      sequence: (this.#sequence += 1),
      authorities: this.#authorities.map((each, index) => ({
        id: `${each.kind}-${index}`,
        kind: each.kind,
        phase: 'published',
        certificate: Buffer.from(each.authority.certificateDer).toString('base64'),
        notBefore: now,
        notAfter: now + HOUR,
        preparedAt: now,
      })),
    };
    this.api.set(CONFIG_MAPS, {
      metadata: { name: 'signet-authority-state', namespace: 'signet' },
      data: { 'document.json': JSON.stringify(state) },
    });
    return authority;
  }

  /** Leaves the webhook a certificate, as the authority role does. */
  async addServingCertificate(signedBy: X509Authority): Promise<void> {
    const leaf = await createServingLeaf({
      trustDomain: TRUST_DOMAIN,
      spiffeId: parseSpiffeId(`spiffe://${TRUST_DOMAIN}/signet/controller`),
      dnsNames: [SERVICE],
      notBefore: Date.now() - 60_000,
      notAfter: Date.now() + (HOUR * 1000) / 2,
      signedBy,
    });
    const document = {
      format: 1,
      certificate: Buffer.from(leaf.certificateDer).toString('base64'),
      key: leaf.privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
      authority: 'serving',
      notBefore: 0,
      notAfter: 0,
    };
    const text = Buffer.from(JSON.stringify(document)).toString('base64');
    this.api.set(SECRETS, {
      metadata: { name: 'signet-controller-serving', namespace: 'signet' },
      data: { 'document.json': text },
    });
  }

  /** Starts a controller without waiting for it. */
  launch(options: Options = {}): void {
    const done = runController(
      {
        settings: { ...DEFAULT_IDENTITY_SETTINGS, trustDomain: TRUST_DOMAIN },
        driverName: SETTINGS.driverName,
        access: fixedAccess({ url: this.api.url, ca: this.api.ca, token: this.api.token }),
        namespace: 'signet',
        podName: `signet-controller-${this.#running.length}`,
        webhook: { host: 'localhost', port: 0 },
        health: { host: '127.0.0.1', port: 0 },
        observes: false,
        adopts: false,
        publishes: { namespaces: true, trustBundle: true },
        clock: systemClock,
        log: silentLogger,
        version: '0.0.0',
        lookEveryMs: 50,
        onListening: (ports) => {
          this.ports = ports;
        },
        ...options,
      },
      this.#stop.signal,
    );
    this.#running.push(done);
    // A controller that fails by itself is a failure of the test that waits for it.
    done.catch(() => {});
  }

  /** What `caBundle` of all entries says; the entries must agree. */
  caBundle(collection: string): string {
    const webhooks = this.api.get(collection, 'signet')?.['webhooks'] as {
      clientConfig: { caBundle: string };
    }[];
    const bundles = new Set(webhooks.map(({ clientConfig }) => clientConfig.caBundle));
    if (bundles.size !== 1) throw new Error('entries differ');
    return Buffer.from([...bundles][0] ?? '', 'base64').toString();
  }

  /** Asks the webhook as an API server does, trusting `ca` alone. */
  async review(path: string, ca: string, review: unknown): Promise<unknown> {
    const text = JSON.stringify(review);
    return await new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json' };
      const outgoing = request(
        {
          host: 'localhost',
          port: this.ports.webhook,
          servername: SERVICE,
          path,
          method: 'POST',
          ca,
          headers,
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => resolve(JSON.parse(Buffer.concat(chunks).toString())));
        },
      );
      outgoing.on('error', reject);
      outgoing.end(text);
    });
  }

  async probe(path: string): Promise<{ status: number; text: string }> {
    return await probe(this.ports.health, path);
  }

  async until(condition: () => Promise<boolean> | boolean): Promise<void> {
    await until(condition, PATIENCE_MS);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
    await this.api.stop();
  }
}
