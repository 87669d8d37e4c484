// Instances of the plugin's volumes over one kubelet.

import { FakeKubelet, type PublishRequest } from '../../fakes/fake-kubelet.ts';
import { type Plugin, startPlugin } from './volumes-harness.ts';

/** Whatever a test does, every instance that it started is stopped at its end. */
export class Instances {
  readonly kubelet = new FakeKubelet();
  readonly #started: Plugin[] = [];

  async start(label = ''): Promise<Plugin> {
    const plugin = await startPlugin(this.kubelet, label);
    this.#started.push(plugin);
    return plugin;
  }

  async stop(): Promise<void> {
    for (const plugin of this.#started) await plugin.stop();
    this.kubelet.close();
  }
}

export function uidOf(request: PublishRequest): string {
  return request.volumeContext['csi.storage.k8s.io/pod.uid'] ?? '';
}
