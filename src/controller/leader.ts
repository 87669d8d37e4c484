// What one replica alone does: everything that writes. And what it says instead when it only observes.

import { CodedError } from '../base/errors.ts';
import { Latest } from '../base/latest.ts';
import { EventRecorder } from '../kube/events.ts';
import { StatusWriter } from '../kube/status-writer.ts';
import { BundlePublisher } from './bundle-publisher.ts';
import { type ControllerContext, FIELD_MANAGER } from './controller-context.ts';
import { FailureEvents } from './failure-events.ts';
import { FederatedTrustDomains, type FetchSettings } from './federation/federated-trust-domains.ts';
import { ForeignSpire } from './foreign-spire.ts';
import type { PublicAuthorities } from './public-authorities.ts';
import { StatusObserver } from './status-sink.ts';
import { Statuses } from './statuses.ts';
import { Suspensions } from './suspensions.ts';
import { TrustBundle } from './trust-bundle.ts';
import { WebhookAuthorities } from './webhook-authorities.ts';

export type LeaderOptions = {
  readonly context: ControllerContext;
  readonly authorities: PublicAuthorities;
  readonly podName: string;
  /** Take over from a SPIRE that is still there. */
  readonly adopts: boolean;
  readonly publishes: BundlePlaces;
  readonly federation: FetchSettings;
};

/** Where the bundle goes besides our own namespace; each needs rights of its own. */
export type BundlePlaces = {
  readonly namespaces: boolean;
  readonly trustBundle: boolean;
};

/** Works until aborted; rejects when a part fails, with the others ended. */
export async function lead(options: LeaderOptions, signal: AbortSignal): Promise<void> {
  const { context, authorities, adopts, podName, publishes, federation } = options;
  const { client, clock, log } = context;
  const events = new EventRecorder({
    client,
    clock,
    log,
    component: FIELD_MANAGER,
    instance: podName,
  });
  const foreign = new ForeignSpire(context, events);
  const failures = new FailureEvents(context, events);
  /** Objects whose status another manager has fields of. */
  const conflicts = new Set<string>();
  const sink = new StatusWriter({
    client,
    clock,
    log,
    fieldManager: FIELD_MANAGER,
    adopts,
    isCurrent: (target) => context.state.isCurrent(target),
    onForeign: (target) => {
      conflicts.add(target.path);
      const message = 'Another manager owns fields of the status: not written without --adopt';
      log.warn({ reason: 'ForeignSpire', path: target.path }, message);
      const { apiVersion, kind, name, uid } = target;
      const subject = { apiVersion, kind, namespace: '', name, uid };
      events.record(subject, { type: 'Warning', reason: 'ForeignSpire', message });
    },
  });
  const isForeign = (path: string) =>
    !adopts && (conflicts.has(path) || foreign.isThere.value !== false);
  const statuses = new Statuses({
    context,
    sink,
    isForeign,
    revoked: authorities.revoked,
    onPolicy: (object, conditions) => failures.policy(object, conditions),
  });
  const federated = { context, authorities, sink, events, isForeign, settings: federation };
  const looking: readonly Part[] = adopts ? [] : [(until) => foreign.run(until)];
  const trustBundle: readonly Part[] = publishes.trustBundle
    ? [(until) => new TrustBundle(context, authorities).run(until)]
    : [];
  await together(signal, [
    ...looking,
    ...trustBundle,
    (until) => new WebhookAuthorities(context, authorities).run(until),
    (until) => new BundlePublisher(context, authorities, publishes.namespaces).run(until),
    (until) => new Suspensions(context, events).run(until),
    (until) => events.run(until),
    (until) => failures.run(until),
    (until) => sink.run(until),
    (until) => new FederatedTrustDomains(federated).run(until),
    async (until) => {
      if (!adopts) await foreign.isThere.first(() => true, until);
      await statuses.run(until);
    },
  ]);
}

/** Looks at the same, and writes nothing. */
export async function observe(context: ControllerContext, signal: AbortSignal): Promise<void> {
  const foreign = new ForeignSpire(context, undefined);
  const statuses = new Statuses({
    context,
    sink: new StatusObserver(context.log),
    isForeign: () => false,
    revoked: new Latest(),
    onPolicy: () => {},
  });
  await together(signal, [(until) => foreign.run(until), (until) => statuses.run(until)]);
}

type Part = (signal: AbortSignal) => Promise<void>;

/** The first part that fails stops the others. */
async function together(signal: AbortSignal, parts: readonly Part[]): Promise<void> {
  const stop = new AbortController();
  const until = AbortSignal.any([signal, stop.signal]);
  const done = await Promise.allSettled(
    parts.map(async (part) => await part(until).finally(() => stop.abort())),
  );
  for (const each of done) if (each.status === 'rejected') throw CodedError.from(each.reason);
}
