// kubectl, run where the control plane is: for manifests in YAML, logs and exec.

import { join } from 'node:path';
import { attempt, type Output, type RunOptions, run } from './commands.ts';
import type { ControlPlane } from './control-plane.ts';

export class Kubectl {
  readonly #controlPlane: ControlPlane;

  constructor(controlPlane: ControlPlane) {
    this.#controlPlane = controlPlane;
  }

  /** Throws when it fails. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return await run(this.argv(args), { cwd: this.#controlPlane.directory, ...options });
  }

  async attempt(args: readonly string[], options: RunOptions = {}): Promise<Output> {
    return await attempt(this.argv(args), { cwd: this.#controlPlane.directory, ...options });
  }

  /** For a child process of one's own. */
  argv(args: readonly string[]): readonly string[] {
    const { directory, prefix } = this.#controlPlane;
    const kubeconfig = `--kubeconfig=${join(directory, 'admin.kubeconfig')}`;
    return [...prefix, join(directory, 'bin/kubectl'), kubeconfig, ...args];
  }

  async apply(yaml: string): Promise<string> {
    return await this.run(['apply', '--server-side', '-f', '-'], { input: yaml });
  }

  async exec(pod: string, argv: readonly string[]): Promise<Output> {
    const { namespace, name } = split(pod);
    return await this.attempt(['exec', '-n', namespace, name, '--', ...argv]);
  }

  async logs(pod: string, ...args: readonly string[]): Promise<string> {
    const { namespace, name } = split(pod);
    return await this.run(['logs', '-n', namespace, name, ...args]);
  }
}

/** `NAMESPACE/NAME` */
function split(pod: string): { namespace: string; name: string } {
  const [namespace = '', name = ''] = pod.split('/');
  return { namespace, name };
}
