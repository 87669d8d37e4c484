// A pod's Workload API, asked from outside of it, by whoever is on its node: for streams that are timed by
// the clock of the test.

import { closeSync, openSync } from 'node:fs';
import { WorkloadApiClient } from '../../../client/src/index.ts';
import type { Cluster } from './cluster.ts';
import { volumeOf } from './faults.ts';
import type { Pod } from './kube-object.ts';

export class PodSocket {
  readonly #directory: number;
  readonly #clients: WorkloadApiClient[] = [];

  constructor(cluster: Cluster, pod: Pod) {
    const volume = volumeOf(cluster.node(pod.spec.nodeName ?? ''), pod);
    if (volume === undefined) throw new Error(`${pod.metadata.name ?? ''} has no volume`);
    this.#directory = openSync(volume, 'r');
  }

  /** A client with a connection of its own. */
  client(): WorkloadApiClient {
    // By a descriptor: the whole path is longer than a socket's may be.
    const path = `/proc/${process.pid}/fd/${this.#directory}/spire-agent.sock`;
    const client = new WorkloadApiClient({ address: `unix://${path}`, timeoutMs: 5000 });
    this.#clients.push(client);
    return client;
  }

  close(): void {
    for (const client of this.#clients) client.close();
    closeSync(this.#directory);
  }
}
