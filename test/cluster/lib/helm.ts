// helm, run where the control plane is.

import { join } from 'node:path';
import { run } from './commands.ts';
import type { ControlPlane } from './control-plane.ts';

const HELM_MS = 180_000;

export type Release = {
  readonly name: string;
  readonly namespace: string;
  readonly chart: string;
  readonly values?: object;
  /** Further arguments, `--wait` for one. */
  readonly args?: readonly string[];
};

export class Helm {
  readonly #controlPlane: ControlPlane;
  readonly #binary: string;

  constructor(controlPlane: ControlPlane, binary: string) {
    this.#controlPlane = controlPlane;
    this.#binary = binary;
  }

  async run(args: readonly string[], input?: string): Promise<string> {
    const { directory, prefix } = this.#controlPlane;
    const kubeconfig = `--kubeconfig=${join(directory, 'admin.kubeconfig')}`;
    return await run([...prefix, this.#binary, kubeconfig, ...args], {
      cwd: directory,
      timeoutMs: HELM_MS,
      ...(input === undefined ? {} : { input }),
    });
  }

  /** Installs or upgrades. */
  async install({ name, namespace, chart, values = {}, args = [] }: Release): Promise<string> {
    const where = ['--namespace', namespace, '--create-namespace'];
    return await this.run(
      ['upgrade', '--install', name, chart, ...where, '--values', '-', ...args],
      JSON.stringify(values),
    );
  }

  async uninstall(name: string, namespace: string): Promise<string> {
    return await this.run(['uninstall', name, '--namespace', namespace, '--wait']);
  }
}
