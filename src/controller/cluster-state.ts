// What the controller knows of the cluster: derived identities, and beside them the objects of our
// kinds as they are stored, because their status is part of the answer.

import type { Clock } from '../base/clock.ts';
import { Latest } from '../base/latest.ts';
import type { Logger } from '../base/log.ts';
import { ClusterView } from '../cluster-view/cluster-view.ts';
import { MAX_STALL_MS } from '../cluster-view/view-freshness.ts';
import { IdentityView, type ObjectChange } from '../identity/identity-view.ts';
import type { IdentitySettings } from '../identity/settings.ts';
import type { KubeClient } from '../kube/kube-client.ts';
import { metadataText } from '../kube/object-key.ts';
import type { JsonObject } from '../template/json-value.ts';
import type { NamespaceLabels } from '../webhook/server/namespace-labels.ts';

export type ClusterStateOptions = {
  readonly client: KubeClient;
  readonly settings: IdentitySettings;
  readonly driverName: string;
  readonly clock: Clock;
  readonly log: Logger;
};

/** Some answers change with time alone. */
const LOOK_EVERY_MS = 30_000;

export class ClusterState implements NamespaceLabels {
  readonly identities: IdentityView;
  readonly settings: IdentitySettings;
  /** As stored, by name; those of other classes included. */
  readonly policies = new Map<string, JsonObject>();
  readonly staticEntries = new Map<string, JsonObject>();
  readonly restrictions = new Map<string, JsonObject>();
  /** Set with every change, and from time to time without one. */
  readonly changed = new Latest<true>();
  /** Rises with every change. */
  #version = 0n;
  readonly #view: ClusterView;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(options: ClusterStateOptions) {
    const { client, settings, driverName, clock, log } = options;
    this.#clock = clock;
    this.#log = log;
    this.settings = settings;
    this.identities = new IdentityView(settings);
    const apply = (changes: readonly ObjectChange[]) => this.#apply(changes);
    this.#view = new ClusterView({ client, settings, driverName, apply, clock, log });
  }

  /** Why admission would not be decided as it should be. */
  get missing(): readonly string[] {
    return this.#view.isReady ? [] : ['view: not everything was seen yet'];
  }

  get version(): bigint {
    return this.#version;
  }

  /** Whether what is known is enough, and new enough, to write something down. */
  get isFresh(): boolean {
    const age = this.#clock.now() - this.#view.progressAt;
    return this.#view.isReady && age >= 0 && age < MAX_STALL_MS;
  }

  /** Whether an object of our kinds is still the one of its name; of other kinds, yes. */
  isCurrent({ kind, name, uid }: { kind: string; name: string; uid: string }): boolean {
    const objects = this.#objectsOf(kind);
    if (objects === undefined) return true;
    const object = objects.get(name);
    return object !== undefined && metadataText(object, 'uid') === uid;
  }

  labelsOf(namespace: string): JsonObject | undefined {
    return this.identities.index.namespaces.get(namespace)?.verdicts.labels;
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#view.run(signal), this.#remind(signal)]);
  }

  async #remind(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#clock.sleep(LOOK_EVERY_MS, signal);
      this.changed.set(true);
    }
  }

  #apply(changes: readonly ObjectChange[]): void {
    for (const change of changes) {
      const errors = this.identities.apply(change);
      const { kind, name, object } = change;
      const objects = this.#objectsOf(kind);
      if (object === undefined) objects?.delete(name);
      else objects?.set(name, object);
      if (errors.length > 0) {
        this.#log.debug({ path: `${kind}/${name}`, message: errors.join('; ') }, 'A bad object');
      }
    }
    // Nobody here asks which pods changed, and the list must not grow.
    this.identities.takeChanged(this.#clock.now());
    this.#version += 1n;
    this.changed.set(true);
  }

  #objectsOf(kind: string): Map<string, JsonObject> | undefined {
    switch (kind) {
      case 'ClusterSPIFFEID':
        return this.policies;
      case 'ClusterStaticEntry':
        return this.staticEntries;
      case 'IdentityRestriction':
        return this.restrictions;
      default:
        return undefined;
    }
  }
}
