// A client of a fake API server, and a reflector whose deliveries add up to a view.

import { createLogger, type Logger, silentLogger } from '../../../src/base/log.ts';
import { fixedAccess } from '../../../src/kube/kube-access.ts';
import { KubeClient } from '../../../src/kube/kube-client.ts';
import {
  type KubeBatch,
  Reflector,
  type ReflectorOptions,
} from '../../../src/kube/watch/reflector.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { FakeApiServer } from '../../fakes/fake-api-server.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';

export const PODS = '/api/v1/pods';
const PATIENCE_MS = 30_000;

export class KubeHarness {
  readonly api: FakeApiServer;
  readonly clock = new FakeClock();
  readonly client: KubeClient;
  readonly log: Logger = silentLogger;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[] = [];

  private constructor(api: FakeApiServer) {
    this.api = api;
    this.client = new KubeClient({
      access: fixedAccess({ url: api.url, ca: api.ca, token: api.token }),
      clock: this.clock,
      userAgent: 'signet-test/0',
    });
  }

  static async start(): Promise<KubeHarness> {
    return new KubeHarness(await FakeApiServer.start());
  }

  reflect(options: Partial<ReflectorOptions> = {}): View {
    const view = new View();
    const reflector = new Reflector({
      client: this.client,
      path: PODS,
      projection: () => (object) => object,
      deliver: view.deliver,
      clock: this.clock,
      log: this.log,
      random: () => 0,
      ...options,
    });
    view.reflector = reflector;
    view.done = reflector.run(this.#stop.signal);
    this.#running.push(view.done);
    return view;
  }

  /** Waits for `condition`; with `stepMs`, time goes on while it waits. */
  async until(condition: () => boolean, stepMs = 0): Promise<void> {
    const start = performance.now();
    while (!condition()) {
      if (performance.now() - start > PATIENCE_MS) throw new Error('the condition never held');
      if (stepMs > 0) await this.clock.advance(stepMs);
      await new Promise<void>((resolve) => {
        setTimeout(resolve, 2);
      });
    }
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#running);
    this.client.close();
    await this.api.stop();
  }
}

/** The state that the batches of a reflector add up to. */
export class View {
  readonly batches: KubeBatch[] = [];
  readonly objects = new Map<string, JsonObject>();
  reflector: Reflector | undefined;
  done: Promise<void> = Promise.resolve();

  readonly deliver = (batch: KubeBatch): void => {
    this.batches.push(batch);
    for (const { namespace, name, object } of batch.changes) {
      if (object === undefined) this.objects.delete(`${namespace}/${name}`);
      else this.objects.set(`${namespace}/${name}`, object);
    }
  };

  get names(): string {
    return [...this.objects.keys()].toSorted().join(' ');
  }

  get complete(): number {
    return this.batches.filter(({ isComplete }) => isComplete).length;
  }
}

/** A pod of namespace `n`. */
export function pod(name: string, more: Record<string, unknown> = {}) {
  return { metadata: { name, namespace: 'n' }, ...more };
}

export const loudLogger = (): Logger => createLogger('test');
