// One Envoy as a child process, and its admin socket.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { envoyBinary } from './envoy-binary.ts';
import { bootstrap, type EnvoyOptions } from './envoy-config.ts';

const PATIENCE_MS = 20_000;

export type Answer = { readonly status: number; readonly body: string };

export class EnvoyProcess {
  readonly #options: EnvoyOptions;
  readonly #child: ChildProcess;
  #log = '';

  private constructor(options: EnvoyOptions) {
    const { directory, name } = options;
    const config = `${directory}/${name}.json`;
    writeFileSync(config, JSON.stringify(bootstrap(options)));
    const args = ['--disable-hot-restart', '--concurrency', '1', '--log-level', 'warning'];
    this.#options = options;
    this.#child = spawn(envoyBinary(), ['-c', config, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child.stderr?.on('data', (bytes) => {
      this.#log = `${this.#log}${String(bytes)}`.slice(-20_000);
    });
  }

  /** Starts one and waits until it has its secrets and listens. */
  static async start(options: EnvoyOptions): Promise<EnvoyProcess> {
    const envoy = new EnvoyProcess(options);
    try {
      await envoy.until('it is live', async () => (await envoy.admin('/ready')).body === 'LIVE\n');
    } catch (thrown) {
      await envoy.close();
      throw thrown;
    }
    return envoy;
  }

  async admin(path: string): Promise<Answer> {
    return await get(`${this.#options.directory}/${this.#options.name}.admin`, path);
  }

  /** The sum of all counters or gauges whose names match. */
  async stat(name: RegExp): Promise<number> {
    const { body } = await this.admin('/stats');
    return body
      .split('\n')
      .map((line) => line.split(': '))
      .filter(([each = '']) => name.test(each))
      .reduce((sum, [, value = '0']) => sum + Number(value), 0);
  }

  /** Serial numbers, in lower-case hex, of its own certificate and of the authorities it trusts. */
  async serials(): Promise<{ readonly own: string; readonly authorities: readonly string[] }> {
    type Listed = { readonly serial_number: string };
    type Certificates = {
      readonly ca_cert: readonly Listed[];
      readonly cert_chain: readonly Listed[];
    };
    const { body } = await this.admin('/certs');
    const { certificates } = JSON.parse(body) as { certificates: readonly Certificates[] };
    const chains = certificates.flatMap(({ cert_chain }) => cert_chain);
    const authorities = certificates.flatMap(({ ca_cert }) => ca_cert);
    return {
      own: chains[0]?.serial_number ?? '',
      authorities: authorities.map(({ serial_number }) => serial_number),
    };
  }

  async until(what: string, condition: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (performance.now() < end) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) break;
      if (await condition().catch(() => false)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`Envoy ${this.#options.name}: never came to that ${what}:\n${this.#log}`);
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

/** A GET over a Unix socket, on a connection of its own. */
export async function get(socketPath: string, path: string): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, agent: false, timeout: 5000 }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    sent.on('timeout', () => sent.destroy(new Error('timed out')));
    sent.on('error', reject);
    sent.end();
  });
}
