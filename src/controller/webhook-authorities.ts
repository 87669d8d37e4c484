// Whom API servers trust for the webhook: the serving authorities, in the configuration objects that
// the installation brings. Nothing else of those is ours to write, so the rest is only compared.

import { servingAuthoritiesOf } from '../authorities/public-bundle.ts';
import { CodedError } from '../base/errors.ts';
import { textIn } from '../identity/objects.ts';
import { segment } from '../kube/kube-client.ts';
import { metadataText } from '../kube/object-key.ts';
import { formatPemCertificate } from '../spiffe/pem.ts';
import { isJsonObject, type JsonObject, type JsonValue, ownValue } from '../template/json-value.ts';
import {
  mutatingWebhookConfiguration,
  validatingWebhookConfiguration,
} from '../webhook/webhook-configuration.ts';
import type { ControllerContext } from './controller-context.ts';
import type { PublicAuthorities } from './public-authorities.ts';
import { repeat } from './repeat.ts';

/** Of both objects. */
export const WEBHOOK_CONFIGURATION = 'signet';
export const WEBHOOK_SERVICE = 'signet-webhook';

const GROUP = '/apis/admissionregistration.k8s.io/v1';
const RESOURCES = ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'] as const;
const LOOK_EVERY_MS = 30_000;
const LOOK_SOON_MS = 500;
const EXPECTED: Readonly<Record<string, typeof mutatingWebhookConfiguration>> = {
  mutatingwebhookconfigurations: mutatingWebhookConfiguration,
  validatingwebhookconfigurations: validatingWebhookConfiguration,
};

export class WebhookAuthorities {
  readonly #context: ControllerContext;
  readonly #authorities: PublicAuthorities;
  readonly #said = new Map<string, string>();

  constructor(context: ControllerContext, authorities: PublicAuthorities) {
    this.#context = context;
    this.#authorities = authorities;
  }

  /** Looks with every change of authorities, and for drift, until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context;
    for await (const seen of this.#authorities.current.watch(signal)) {
      const next = new AbortController();
      const until = AbortSignal.any([signal, next.signal]);
      const options = { what: 'keep caBundle', everyMs: LOOK_EVERY_MS, clock, log };
      const looking = repeat(options, async () => await this.#look(signal), until);
      await this.#authorities.current.first((state) => state !== seen, until);
      next.abort();
      await looking;
    }
  }

  /** Resolves once API servers trust the webhook, whoever told them, or when aborted. */
  async inForce(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context;
    while (!signal.aborted) {
      try {
        if (await this.#isInForce(signal)) return;
      } catch (err) {
        if (!signal.aborted) log.debug({ err }, 'Failed to look at the webhook configurations');
      }
      await clock.sleep(LOOK_SOON_MS, signal);
    }
  }

  async #isInForce(signal: AbortSignal): Promise<boolean> {
    const caBundle = this.#caBundle();
    if (caBundle === undefined) return false;
    for (const resource of RESOURCES) {
      const object = await this.#get(resource, signal);
      if (object !== undefined && this.#withBundle(object, caBundle) !== undefined) return false;
    }
    return true;
  }

  async #look(signal: AbortSignal): Promise<void> {
    const caBundle = this.#caBundle();
    // Without any, whoever is trusted now stays.
    if (caBundle === undefined) return;
    for (const resource of RESOURCES) await this.#keep(resource, caBundle, signal);
  }

  #caBundle(): string | undefined {
    const state = this.#authorities.current.value;
    const authorities = state === undefined ? [] : servingAuthoritiesOf(state);
    if (authorities.length === 0) return undefined;
    return Buffer.from(authorities.map(formatPemCertificate).join('')).toString('base64');
  }

  async #get(resource: string, signal: AbortSignal): Promise<JsonObject | undefined> {
    try {
      return await this.#context.client.send({ method: 'GET', path: pathOf(resource), signal });
    } catch (thrown) {
      const error = CodedError.from(thrown);
      // An installation may do without either.
      if (error.code === 'not-found') return undefined;
      throw error;
    }
  }

  async #keep(resource: string, caBundle: string, signal: AbortSignal): Promise<void> {
    const { client, log } = this.#context;
    const path = pathOf(resource);
    const object = await this.#get(resource, signal);
    const webhooks = object === undefined ? undefined : this.#withBundle(object, caBundle);
    if (object !== undefined) this.#compare(resource, object);
    if (object === undefined || webhooks === undefined) return;
    // A list can only be replaced whole, so only if nobody has changed it meanwhile.
    const metadata = { resourceVersion: metadataText(object, 'resourceVersion') };
    const contentType = 'application/merge-patch+json';
    const body = { metadata, webhooks };
    await client.send({ method: 'PATCH', path, contentType, body, signal });
    log.info({ path }, 'Told API servers whom to trust for the webhook');
  }

  /** Says once where an entry that was to fail closed no longer does, or the other way round. */
  #compare(resource: string, object: JsonObject): void {
    const { log, namespace, driverName } = this.#context;
    const configure = EXPECTED[resource];
    if (configure === undefined) return;
    const service = { name: WEBHOOK_SERVICE, namespace, port: 443 };
    const settings = { driverName, ownNamespace: namespace };
    const name = WEBHOOK_CONFIGURATION;
    const expected = policiesOf(configure({ name, settings, caBundle: '', service }));
    const differing = [...policiesOf(object)].filter(
      ([entry, policy]) => expected.has(entry) && expected.get(entry) !== policy,
    );
    const message = differing.map(([entry, policy]) => `${entry}: ${policy}`).join(', ');
    if (message !== '' && message !== this.#said.get(resource)) {
      log.warn({ path: resource, message }, 'A failure policy is not what was installed');
    }
    this.#said.set(resource, message);
  }

  /** The entries as they should be; undefined when they are. */
  #withBundle(object: JsonObject, caBundle: string): readonly JsonValue[] | undefined {
    const webhooks = ownValue(object, 'webhooks');
    if (!Array.isArray(webhooks)) return undefined;
    let differs = false;
    const next = (webhooks as readonly JsonValue[]).map((webhook) => {
      const config = isJsonObject(webhook) ? ownValue(webhook, 'clientConfig') : undefined;
      if (!isJsonObject(webhook) || !isJsonObject(config) || !this.#isOurs(config)) return webhook;
      if (ownValue(config, 'caBundle') === caBundle) return webhook;
      differs = true;
      return { ...webhook, clientConfig: { ...config, caBundle } };
    });
    return differs ? next : undefined;
  }

  #isOurs(config: JsonObject): boolean {
    const service = ownValue(config, 'service');
    return (
      isJsonObject(service) &&
      ownValue(service, 'name') === WEBHOOK_SERVICE &&
      ownValue(service, 'namespace') === this.#context.namespace
    );
  }
}

function pathOf(resource: string): string {
  return `${GROUP}/${resource}/${segment(WEBHOOK_CONFIGURATION)}`;
}

function policiesOf(object: JsonObject): ReadonlyMap<string, string> {
  const webhooks = ownValue(object, 'webhooks');
  const entries = Array.isArray(webhooks) ? (webhooks as readonly JsonValue[]) : [];
  return new Map(
    entries
      .filter(isJsonObject)
      .map((entry) => [textIn(entry, 'name'), textIn(entry, 'failurePolicy')]),
  );
}
