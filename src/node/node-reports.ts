// What the node still has to tell the issuer. Reports are keyed, so however long the issuer is
// away, at most one of each kind waits for each pod; a new stream starts with everything.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { Latest } from '../base/latest.ts';
import type { NodeReportSchema } from '../transport/gen/signet/issuer_pb.ts';
import type { NodeView } from './node-view.ts';
import type { SvidManager } from './svid/svid-manager.ts';

export type Report = NonNullable<MessageInitShape<typeof NodeReportSchema>['report']>;

export class NodeReports {
  readonly #waiting = new Map<string, Report>();
  readonly #tick = new Latest<true>();

  add(key: string, report: Report): void {
    this.#waiting.delete(key);
    this.#waiting.set(key, report);
    this.#tick.set(true);
  }

  /** A stream of reports: first `opening`, then what is added, until aborted. */
  async *stream(opening: () => readonly Report[], signal: AbortSignal) {
    // In one step: what is added from here on is not in the opening.
    this.#waiting.clear();
    const reports = opening();
    for (const report of reports) yield { report };
    this.#tick.set(true);
    for await (const _ of this.#tick.watch(signal)) {
      for (const [key, report] of this.#waiting) {
        // What is added now is the next stream's.
        if (signal.aborted) return;
        this.#waiting.delete(key);
        yield { report };
      }
    }
  }
}

export function published(podUid: string): Report {
  return { case: 'published', value: { podUid } };
}

export function unpublished(podUid: string): Report {
  return { case: 'unpublished', value: { podUid } };
}

/** The first report of a stream: what this node holds and has seen. */
export function hello(view: NodeView, manager: SvidManager, pluginVersion: string): Report {
  const held = [...manager.held()].map(({ podUid, entryId, serial, notBefore, notAfter }) => ({
    podUid,
    entryId,
    serial,
    notBefore: BigInt(Math.floor(notBefore / 1000)),
    notAfter: BigInt(Math.floor(notAfter / 1000)),
  }));
  const { own, restrictionVersion } = view;
  return {
    case: 'hello',
    value: { held, bundleSequence: own?.sequence ?? 0n, restrictionVersion, pluginVersion },
  };
}
