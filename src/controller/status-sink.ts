// Where statuses go: to the API server, or, for one who only observes, into the log where they would
// differ from what is stored.

import type { Logger } from '../base/log.ts';
import { objectIn } from '../identity/objects.ts';
import { canonicalText } from '../kube/canonical-json.ts';
import type { StatusTarget, StoredStatus } from '../kube/status-writer.ts';
import { type JsonObject, ownValue } from '../template/json-value.ts';

export type StatusSink = {
  set(target: StatusTarget, status: JsonObject, stored: StoredStatus): void;
  /** The object is gone, or no longer ours. */
  forget(path: string): void;
};

export class StatusObserver implements StatusSink {
  readonly #log: Logger;
  readonly #said = new Map<string, string>();

  constructor(log: Logger) {
    this.#log = log;
  }

  set({ path }: StatusTarget, status: JsonObject, stored: StoredStatus): void {
    const differences = differencesOf(objectIn(status, 'stats'), objectIn(stored.status, 'stats'));
    const message = differences.join(', ');
    if ((this.#said.get(path) ?? '') === message) return;
    this.#said.set(path, message);
    if (message === '') this.#log.info({ path }, 'Statistics agree with those stored');
    else this.#log.info({ path, message }, 'Statistics differ from those stored');
  }

  forget(path: string): void {
    this.#said.delete(path);
  }
}

function differencesOf(ours: JsonObject, stored: JsonObject): readonly string[] {
  return Object.keys(ours).flatMap((name) => {
    const [mine, theirs] = [ownValue(ours, name) ?? null, ownValue(stored, name) ?? null];
    if (canonicalText(mine) === canonicalText(theirs)) return [];
    return [`${name}: ${JSON.stringify(mine)}, stored ${JSON.stringify(theirs)}`];
  });
}
