// The bundle as a ConfigMap in our own namespace and wherever a namespace asks for it: applied, so that
// what is there already costs no write, and slowly, so that no number of namespaces is a storm.

import { note } from '../audit/audit-log.ts';
import { CodedError } from '../base/errors.ts';
import { segment } from '../kube/kube-client.ts';
import { formatPemCrl } from '../spiffe/pem.ts';
import { type BundleDocuments, bundleDocuments } from './bundle-documents.ts';
import { type ControllerContext, FIELD_MANAGER, OWN_LABELS } from './controller-context.ts';
import type { PublicAuthorities } from './public-authorities.ts';
import { repeat } from './repeat.ts';

export const BUNDLE_CONFIG_MAP = 'signet-bundle';
export const BUNDLE_LABEL = 'signet.dev/bundle';

const LOOK_EVERY_MS = 1000;
/** Ten a second at most. */
const PAUSE_MS = 100;
/** Somebody may have changed or deleted one. */
const APPLY_AGAIN_MS = 30 * 60_000;
const RETRY_MS = 30_000;

type Published = { readonly content: string; readonly dueAt: number };

export class BundlePublisher {
  readonly #context: ControllerContext;
  readonly #authorities: PublicAuthorities;
  readonly #isEverywhere: boolean;
  /** By namespace. */
  readonly #published = new Map<string, Published>();
  #written: string | undefined;

  /** `isEverywhere`: in namespaces that ask for it too, for which there must be a right. */
  constructor(context: ControllerContext, authorities: PublicAuthorities, isEverywhere: boolean) {
    this.#context = context;
    this.#authorities = authorities;
    this.#isEverywhere = isEverywhere;
  }

  /** Publishes until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context;
    const options = { what: 'publish the bundle', everyMs: LOOK_EVERY_MS, clock, log };
    await repeat(options, async () => await this.#pass(signal), signal);
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    const wanted = this.#wanted();
    for (const namespace of this.#published.keys()) {
      if (!wanted.has(namespace)) this.#published.delete(namespace);
    }
    for (const namespace of wanted) {
      // Each time anew: a pass over many namespaces must not end with an old bundle.
      const documents = bundleDocuments(this.#authorities.current.value);
      if (signal.aborted || documents === undefined) return;
      const published = this.#published.get(namespace);
      const lists = this.#authorities.crls.value ?? [];
      const crls = lists.map(({ crl }) => formatPemCrl(crl.der)).join('');
      const content = documents.json + crls;
      if (published?.content === content && clock.now() < published.dueAt) continue;
      const isWritten = await this.#apply(namespace, { ...documents, crls }, signal);
      if (isWritten && namespace === this.#context.namespace) this.#write(documents.json);
      const dueAt = clock.now() + (isWritten ? APPLY_AGAIN_MS : RETRY_MS);
      this.#published.set(namespace, { content, dueAt });
      await clock.sleep(PAUSE_MS, signal);
    }
  }

  /** Once for each bundle: the other namespaces get the same. */
  #write(json: string): void {
    if (json === this.#written) return;
    this.#written = json;
    const { audit, log, state } = this.#context;
    const { trustDomain } = state.settings;
    const sequenceOfBundle = this.#authorities.current.value?.sequence ?? 0;
    const bundleOf = trustDomain;
    note(audit, log, [{ event: 'BundlePublished', trustDomain, bundleOf, sequenceOfBundle }]);
  }

  #wanted(): ReadonlySet<string> {
    const wanted = new Set([this.#context.namespace]);
    if (!this.#isEverywhere) return wanted;
    const { state } = this.#context;
    for (const [name, { verdicts }] of state.identities.index.namespaces) {
      const { labels } = verdicts;
      if (Object.hasOwn(labels, BUNDLE_LABEL) && labels[BUNDLE_LABEL] === 'true') wanted.add(name);
    }
    return wanted;
  }

  async #apply(
    namespace: string,
    { json, pem, crls }: BundleDocuments & { readonly crls: string },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { client, log } = this.#context;
    const name = BUNDLE_CONFIG_MAP;
    // At home the installation brings it, with labels that its tool knows it by.
    const labels = namespace === this.#context.namespace ? {} : { labels: OWN_LABELS };
    try {
      await client.send({
        method: 'PATCH',
        path: `/api/v1/namespaces/${segment(namespace)}/configmaps/${name}`,
        query: { fieldManager: FIELD_MANAGER, force: 'true' },
        contentType: 'application/apply-patch+yaml',
        body: {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name, namespace, ...labels },
          data: {
            'bundle.json': json,
            'bundle.crt': pem,
            ...(crls === '' ? {} : { 'crl.pem': crls }),
          },
        },
        signal,
      });
      return true;
    } catch (thrown) {
      if (signal.aborted) return false;
      // One namespace, such as one that is being deleted, must not hold up the others.
      log.warn({ namespace, err: CodedError.from(thrown) }, 'Failed to publish the bundle');
      return false;
    }
  }
}
