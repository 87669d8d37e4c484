// The roots as a ClusterTrustBundle, where the API server has that kind. It is young: the newest
// version that is served is used, and a cluster without it, or without the right, lacks nothing else.

import { CodedError } from '../base/errors.ts';
import { textIn } from '../identity/objects.ts';
import { segment } from '../kube/kube-client.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import { isJsonObject, type JsonObject, type JsonValue, ownValue } from '../template/json-value.ts';
import { bundleDocuments } from './bundle-documents.ts';
import { type ControllerContext, FIELD_MANAGER, OWN_LABELS } from './controller-context.ts';
import type { PublicAuthorities } from './public-authorities.ts';
import { repeat } from './repeat.ts';

export const SIGNER = 'signet.dev/spiffe';

const GROUP = '/apis/certificates.k8s.io';
const RESOURCE = 'clustertrustbundles';
/** Newest first. */
const VERSIONS = ['v1', 'v1beta1', 'v1alpha1'];
const LOOK_EVERY_MS = 1000;
const APPLY_AGAIN_MS = 30 * 60_000;
/** What an API server serves, and what may be written, changes seldom. */
const RETRY_MS = 10 * 60_000;

export class TrustBundle {
  readonly #context: ControllerContext;
  readonly #authorities: PublicAuthorities;
  #pem = '';
  #dueAt = 0;

  constructor(context: ControllerContext, authorities: PublicAuthorities) {
    this.#context = context;
    this.#authorities = authorities;
  }

  /** Publishes until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context;
    const options = { what: 'publish the trust bundle', everyMs: LOOK_EVERY_MS, clock, log };
    await repeat(options, async () => await this.#pass(signal), signal);
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context;
    const pem = bundleDocuments(this.#authorities.current.value)?.pem;
    if (pem === undefined || (pem === this.#pem && clock.now() < this.#dueAt)) return;
    let wait = RETRY_MS;
    try {
      const version = await this.#version(signal);
      if (version !== undefined) {
        await this.#apply(version, pem, signal);
        wait = APPLY_AGAIN_MS;
      }
    } catch (thrown) {
      const err = CodedError.from(thrown);
      if (err.code !== 'permission-denied') throw err;
      log.warn({ err }, 'May not publish the trust bundle');
    }
    this.#pem = pem;
    this.#dueAt = clock.now() + wait;
  }

  async #version(signal: AbortSignal): Promise<string | undefined> {
    const group = await this.#get(GROUP, signal);
    const served = new Set(objectsIn(group, 'versions').map((each) => textIn(each, 'version')));
    for (const version of VERSIONS) {
      if (!served.has(version)) continue;
      const list = await this.#get(`${GROUP}/${version}`, signal);
      const names = objectsIn(list, 'resources').map((each) => textIn(each, 'name'));
      if (names.includes(RESOURCE)) return version;
    }
    return undefined;
  }

  async #get(path: string, signal: AbortSignal): Promise<JsonObject> {
    try {
      return await this.#context.client.send({ method: 'GET', path, signal });
    } catch (thrown) {
      const error = CodedError.from(thrown);
      if (error.code === 'not-found') return {};
      throw error;
    }
  }

  async #apply(version: string, trustBundle: string, signal: AbortSignal): Promise<void> {
    const { client, state } = this.#context;
    const name = trustBundleName(state.settings.trustDomain);
    await client.send({
      method: 'PATCH',
      path: `${GROUP}/${version}/${RESOURCE}/${segment(name)}`,
      query: { fieldManager: FIELD_MANAGER, force: 'true' },
      contentType: 'application/apply-patch+yaml',
      body: {
        apiVersion: `certificates.k8s.io/${version}`,
        kind: 'ClusterTrustBundle',
        metadata: { name, labels: OWN_LABELS },
        spec: { signerName: SIGNER, trustBundle },
      },
      signal,
    });
  }
}

/** Of a signer, so it begins with its name; the rest must be a DNS name, which knows no `_`. */
export function trustBundleName(trustDomain: TrustDomain): string {
  return `${SIGNER.replace('/', ':')}:${trustDomain.replaceAll('_', '-')}`;
}

function objectsIn(object: JsonObject, key: string): readonly JsonObject[] {
  const list = ownValue(object, key);
  return Array.isArray(list) ? (list as readonly JsonValue[]).filter(isJsonObject) : [];
}
