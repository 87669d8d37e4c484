// One Watch at a time, driven by hand: time is a fake clock's, the node reads when the test reads.

import assert from 'node:assert/strict';
import { before, beforeEach } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { silentLogger } from '../../../../src/base/log.ts';
import { AuthorityKeeper } from '../../../../src/issuer/authority/authority-keeper.ts';
import {
  AuthorityView,
  type SigningAuthorities,
} from '../../../../src/issuer/authority/signing-authorities.ts';
import { HeldInventory } from '../../../../src/issuer/held-inventory.ts';
import { noFederation } from '../../../../src/issuer/issuer.ts';
import { PublishedPods } from '../../../../src/issuer/policy/published-pods.ts';
import type { ToNode } from '../../../../src/issuer/watch/node-messages.ts';
import { NodeSessions } from '../../../../src/issuer/watch/node-sessions.ts';
import { type NodeWatchOptions, watchNode } from '../../../../src/issuer/watch/node-watch.ts';
import { RollbackAlarm } from '../../../../src/issuer/watch/rollback-alarm.ts';
import {
  type NodeReport,
  NodeReportSchema,
} from '../../../../src/transport/gen/signet/issuer_pb.ts';
import { FakeClock } from '../../../fakes/fake-clock.ts';
import { MapPodSource, MemoryAuditLog, NODE, pod, TRUST_DOMAIN } from '../fixtures.ts';
import { MemoryStore } from '../memory-store.ts';

type Init = MessageInitShape<typeof NodeReportSchema>;
export type Report = Init['report'];

export const MINUTE = 60_000;

export let current: SigningAuthorities;
export let clock: FakeClock;
export let pods: MapPodSource;
export let options: NodeWatchOptions;

/** Before each test: a clock, a pod of the node, and nothing watched. */
export function useWatches(): void {
  before(async () => {
    const store = new MemoryStore();
    const common = {
      store,
      clock: new FakeClock(),
      audit: new MemoryAuditLog(),
      log: silentLogger,
    };
    await new AuthorityKeeper({
      trustDomain: TRUST_DOMAIN,
      jwtKeyType: 'ec-p256',
      ...common,
    }).settle();
    const view = new AuthorityView({ trustDomain: TRUST_DOMAIN, store });
    await view.refresh();
    current = view.current.value ?? assert.fail();
  });
  beforeEach(() => {
    clock = new FakeClock();
    pods = new MapPodSource(pod());
    options = {
      pods,
      clock,
      log: silentLogger,
      federation: noFederation,
      authorities: () => current,
      sessions: new NodeSessions(clock),
      crls: () => [],
      published: new PublishedPods(),
      inventory: new HeldInventory(),
      refreshAuthorities: async () => {},
      rollback: new RollbackAlarm({
        clock,
        sequence: () => current.bundle.sequence,
        onRaise: () => {},
      }),
    };
    pods.onChange(({ podUid, node, gone }) => {
      for (const session of options.sessions.of(node)) session.outbox.addPod(podUid, gone);
    });
  });
}

export const HELLO: Report = { case: 'hello', value: {} };

export function open(reports: readonly Report[] = [HELLO], expiresAt = Number.POSITIVE_INFINITY) {
  const stop = new AbortController();
  const said = async function* (): AsyncGenerator<NodeReport> {
    for (const report of reports) yield create(NodeReportSchema, { report } as Init);
    // A node that has nothing more to say keeps its side open.
    await clock.sleep(Number.MAX_SAFE_INTEGER, stop.signal);
  };
  const caller = { node: NODE, credentialId: 'x', expiresAt };
  const messages = watchNode(said(), { caller, signal: stop.signal }, options);
  const next = async (): Promise<NonNullable<ToNode['message']>> => {
    const { value, done } = await messages.next();
    assert.notEqual(done, true);
    return (value as ToNode).message ?? assert.fail('empty message');
  };
  const untilSynced = async () => {
    const kinds = [];
    for (;;) {
      const { case: kind } = await next();
      kinds.push(kind);
      if (kind === 'synced') return kinds;
    }
  };
  return { next, untilSynced, stop: () => stop.abort() };
}
