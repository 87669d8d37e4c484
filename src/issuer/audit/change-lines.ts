// What an issuer writes down of changes that it did not make and acts by from now on: restrictions,
// bundles, an older state. Each replica writes what it has seen, so the log says from when on it knew.

import { hash } from 'node:crypto';
import { type AuditEvent, type AuditLog, note } from '../../audit/audit-log.ts';
import type { Logger } from '../../base/log.ts';
import type { ObjectChange } from '../../identity/identity-view.ts';
import { objectIn, textIn } from '../../identity/objects.ts';
import type { Bundle } from '../../spiffe/bundle/bundle.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import type { SigningAuthorities } from '../authority/signing-authorities.ts';
import type { FederationSource } from '../pod-source.ts';
import { REASON } from '../policy/reasons.ts';

export type ChangeLinesOptions = {
  readonly audit: AuditLog;
  readonly trustDomain: TrustDomain;
  readonly log: Logger;
};

/** Of the specification of a restriction: what is longer is cut, its digest is not. */
const MAX_DETAIL = 4096;
const ID_DIGITS = 16;

export class ChangeLines {
  readonly #options: ChangeLinesOptions;
  /** Digests of what was written last, by name. */
  readonly #restrictions = new Map<string, string>();
  readonly #bundles = new Map<string, string>();

  constructor(options: ChangeLinesOptions) {
    this.#options = options;
  }

  /** The authority state is older than what nodes have seen. */
  rolledBack({ nodes, sequence }: { readonly nodes: number; readonly sequence: bigint }): void {
    const { log } = this.#options;
    const detail = `${nodes} nodes have seen bundle sequence ${sequence}`;
    const reason = REASON.STATE_ROLLED_BACK;
    log.error({ reason, message: detail }, 'The authority state is older than it was');
    this.#write([{ event: 'StateRolledBack', reason, detail }]);
  }

  restrictions(changes: readonly ObjectChange[]): void {
    const events = changes.flatMap((change) => this.#restriction(change));
    if (events.length > 0) this.#write(events);
  }

  #restriction({ kind, name, object }: ObjectChange): readonly Event[] {
    if (kind !== 'IdentityRestriction') return [];
    const event = { event: 'RestrictionChanged', restriction: name } as const;
    if (object === undefined) {
      return this.#restrictions.delete(name) ? [{ ...event, change: 'removed' }] : [];
    }
    const metadata = objectIn(object, 'metadata');
    const spec = JSON.stringify(objectIn(object, 'spec'));
    const digest = hash('sha256', `${textIn(metadata, 'uid')} ${spec}`);
    // A list that is read again brings them all again.
    if (this.#restrictions.get(name) === digest) return [];
    this.#restrictions.set(name, digest);
    const generation = Number(metadata['generation'] ?? 0);
    return [{ ...event, change: 'set', generation, detail: spec.slice(0, MAX_DETAIL) }];
  }

  /** Whom verifiers of the trust domain are to trust, from now on. */
  bundle({ bundle }: SigningAuthorities): void {
    this.#write(this.#bundle(bundle, bundle.sequence));
  }

  federation(source: FederationSource): void {
    const names = new Set<string>();
    const events = Array.from(source.federatedTrustDomains(), ({ bundle }) => {
      names.add(bundle.trustDomain);
      return this.#bundle(bundle, bundle.sequence ?? 0);
    }).flat();
    for (const bundleOf of this.#bundles.keys()) {
      if (names.has(bundleOf) || bundleOf === this.#options.trustDomain) continue;
      this.#bundles.delete(bundleOf);
      events.push({ event: 'BundleChanged', change: 'removed', bundleOf });
    }
    this.#write(events);
  }

  #bundle(bundle: Bundle, sequenceOfBundle: number): Event[] {
    const authorities = [
      ...bundle.x509Authorities.map((der) => hash('sha256', der).slice(0, ID_DIGITS)),
      ...bundle.jwtAuthorities.keys(),
    ];
    const digest = JSON.stringify([sequenceOfBundle, authorities]);
    const bundleOf = bundle.trustDomain;
    if (this.#bundles.get(bundleOf) === digest) return [];
    this.#bundles.set(bundleOf, digest);
    return [{ event: 'BundleChanged', change: 'set', bundleOf, sequenceOfBundle, authorities }];
  }

  #write(events: readonly Event[]): void {
    const { audit, log, trustDomain } = this.#options;
    if (events.length === 0) return;
    note(
      audit,
      log,
      events.map(({ event, ...rest }) => ({ event, trustDomain, ...rest })),
    );
  }
}

type Event = Omit<AuditEvent, 'trustDomain'>;
