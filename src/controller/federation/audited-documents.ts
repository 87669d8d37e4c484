// The stored bundles of other trust domains, with an audit line for each that was changed.

import { hash } from 'node:crypto';
import { type AuditEvent, type AuditLog, note } from '../../audit/audit-log.ts';
import type { Logger } from '../../base/log.ts';
import type { DocumentStore } from '../../federation/bundle-store.ts';
import { documentOf, readFederatedBundles } from '../../federation/federated-bundle.ts';

export class AuditedDocuments implements DocumentStore {
  readonly #documents: DocumentStore;
  readonly #to: { readonly audit: AuditLog; readonly trustDomain: string; readonly log: Logger };
  #before: string | undefined;

  constructor(
    documents: DocumentStore,
    to: { readonly audit: AuditLog; readonly trustDomain: string; readonly log: Logger },
  ) {
    this.#documents = documents;
    this.#to = to;
  }

  async read(): Promise<{ readonly text: string | undefined; readonly version: string }> {
    const read = await this.#documents.read();
    this.#before = read.text;
    return read;
  }

  async write(text: string, expected: string): Promise<void> {
    const before = this.#before;
    await this.#documents.write(text, expected);
    const { audit, log } = this.#to;
    const events = this.#changes(before, text);
    if (events.length > 0) note(audit, log, events);
  }

  #changes(before: string | undefined, after: string): readonly AuditEvent[] {
    const { trustDomain } = this.#to;
    const event = { event: 'BundleChanged', trustDomain } as const;
    const [old, now] = [digestsOf(before), digestsOf(after)];
    const gone = [...old.keys()].filter((name) => !now.has(name));
    const set = [...now].filter(([name, { digest }]) => old.get(name)?.digest !== digest);
    return [
      ...set.map(([bundleOf, { sequence }]) => {
        return { ...event, change: 'set', bundleOf, sequenceOfBundle: sequence } as const;
      }),
      ...gone.map((bundleOf) => ({ ...event, change: 'removed', bundleOf }) as const),
    ];
  }
}

type Stored = { readonly digest: string; readonly sequence: number };

function digestsOf(text: string | undefined): ReadonlyMap<string, Stored> {
  const stored = new Map<string, Stored>();
  if (text === undefined) return stored;
  for (const [name, { bundle }] of readFederatedBundles(text)) {
    const digest = hash('sha256', documentOf(bundle));
    stored.set(name, { digest, sequence: bundle.sequence ?? 0 });
  }
  return stored;
}
