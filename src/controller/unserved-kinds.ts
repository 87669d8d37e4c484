// Kinds of upstream that Signet reads and does not serve. Whoever declares such an object is told so in
// its status, instead of waiting for something that never comes.

import { parseClusterFederatedTrustDomain } from '../crds/cluster-federated-trust-domain.ts';
import { setCondition } from '../crds/conditions.ts';
import { objectIn, textIn } from '../identity/objects.ts';
import { servesClass } from '../identity/settings.ts';
import { withoutManagedFields } from '../kube/object-key.ts';
import { Reflector } from '../kube/watch/reflector.ts';
import type { JsonObject } from '../template/json-value.ts';
import type { ControllerContext } from './controller-context.ts';
import { repeat } from './repeat.ts';
import type { StatusSink } from './status-sink.ts';
import {
  conditionsIn,
  generationOf,
  type StatusKind,
  storedStatusOf,
  targetOf,
} from './status-target.ts';

type UnservedKind = StatusKind & {
  readonly errorsOf: (object: JsonObject) => readonly string[];
  readonly message: string;
  /** Members of the status that upstream demands. */
  readonly members: (isValid: boolean) => JsonObject;
};

const GROUP = 'spire.spiffe.io/v1alpha1';

export const UNSERVED_KINDS: readonly UnservedKind[] = [
  {
    apiVersion: GROUP,
    kind: 'ClusterFederatedTrustDomain',
    collection: `/apis/${GROUP}/clusterfederatedtrustdomains`,
    errorsOf: (object) => parseClusterFederatedTrustDomain(object).errors,
    message: 'Signet does not fetch bundles of other trust domains yet',
    members: () => ({}),
  },
];

const READY = 'Ready';
const PASS_EVERY_MS = 2000;

export type UnservedKindsOptions = {
  readonly context: ControllerContext;
  readonly sink: StatusSink;
  readonly isForeign: (path: string) => boolean;
};

export class UnservedKinds {
  readonly #options: UnservedKindsOptions;
  /** By path. */
  readonly #objects = new Map<string, { kind: UnservedKind; object: JsonObject }>();

  constructor(options: UnservedKindsOptions) {
    this.#options = options;
  }

  /** Follows the kinds until aborted; one that is not installed is waited for. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options.context;
    const following = UNSERVED_KINDS.map(async (kind) => await this.#follow(kind, signal));
    const options = { what: 'report what is not served', everyMs: PASS_EVERY_MS, clock, log };
    const pass = async () => {
      for (const { kind, object } of this.#objects.values()) this.#set(kind, object);
      await Promise.resolve();
    };
    await Promise.all([...following, repeat(options, pass, signal)]);
  }

  async #follow(kind: UnservedKind, signal: AbortSignal): Promise<void> {
    const { client, clock, log } = this.#options.context;
    const reflector = new Reflector({
      client,
      path: kind.collection,
      projection: () => withoutManagedFields,
      deliver: ({ changes }) => {
        for (const { name, object } of changes) {
          const path = `${kind.collection}/${name}`;
          if (object !== undefined) this.#objects.set(path, { kind, object });
          else if (this.#objects.delete(path)) this.#options.sink.forget(path);
        }
      },
      clock,
      log,
    });
    await reflector.run(signal);
  }

  #set(kind: UnservedKind, object: JsonObject): void {
    const { context, sink, isForeign } = this.#options;
    const target = targetOf(kind, object);
    const isOurs = servesClass(
      context.state.settings,
      textIn(objectIn(object, 'spec'), 'className'),
    );
    if (!isOurs || isForeign(target.path)) {
      sink.forget(target.path);
      return;
    }
    const errors = kind.errorsOf(object);
    const isValid = errors.length === 0;
    const observedGeneration = generationOf(object);
    const condition = {
      type: READY,
      status: 'False',
      reason: isValid ? 'NotServed' : 'Invalid',
      message: isValid ? kind.message : errors.join('; '),
      observedGeneration,
    } as const;
    const conditions = setCondition(conditionsIn(object, [READY]), condition, context.clock.now());
    const status = { ...kind.members(isValid), conditions, observedGeneration };
    sink.set(target, status as unknown as JsonObject, storedStatusOf(object));
  }
}
