// A client, a server and a stranger, each an Envoy that has its secrets from its own pod's socket in
// `signet dev`; behind the server an application that says who called.

import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DevProcess, policyManifest } from '../../integration/dev/dev-process.ts';
import { plainListener, plainUpstream, tlsListener, tlsUpstream } from './envoy-config.ts';
import { type Answer, EnvoyProcess, get } from './envoy-process.ts';

const MAIN = join(import.meta.dirname, '../../../src/main.ts');
const PAUSE_MS = 50;

export const SERVER = 'spiffe://example.org/server';
export const CLIENT = 'spiffe://example.org/client';
export const STRANGER = 'spiffe://example.org/stranger';

export class Mesh {
  readonly dev: DevProcess;
  /** Short: sockets are in it. */
  readonly #directory = mkdtempSync('/tmp/sgn-');
  readonly #application: Server;
  readonly #metadata: object;
  readonly #envoys: EnvoyProcess[] = [];

  /** `metadata` is what the Envoys say of themselves. */
  constructor(lifeSeconds: number, metadata: object = {}) {
    this.#metadata = metadata;
    this.dev = new DevProcess({
      'policy.json': policyManifest('by-name', {
        spiffeIDTemplate: 'spiffe://example.org/{{ .PodMeta.Name }}',
        ttl: `${lifeSeconds}s`,
      }),
      ...Object.fromEntries(
        ['server', 'client', 'stranger'].map((name) => [`${name}.json`, podManifest(name)]),
      ),
    });
    this.#application = createServer(({ headers }, response) => {
      response.end(String(headers['x-forwarded-client-cert']));
    });
  }

  async start(): Promise<void> {
    await this.dev.start();
    await new Promise<void>((resolve) => this.#application.listen(this.#at('app'), resolve));
  }

  /** Ends what serves the sockets and starts it again, with the authorities as they are now. */
  async restart(): Promise<void> {
    await this.dev.end();
    await this.dev.start();
  }

  /** The server: lets the client in, and no other. */
  async server(certificate: string, validation: string): Promise<EnvoyProcess> {
    return await this.#envoy('server', {
      listener: tlsListener(this.#at('server'), { certificate, validation, principal: CLIENT }),
      upstream: plainUpstream(this.#at('app')),
    });
  }

  /** A caller that goes on only when the other side is `peer`. */
  async caller(
    name: 'client' | 'stranger',
    {
      certificate,
      validation,
      peer = SERVER,
    }: Record<'certificate' | 'validation', string> & { peer?: string },
  ): Promise<EnvoyProcess> {
    return await this.#envoy(name, {
      listener: plainListener(this.#at(name)),
      upstream: tlsUpstream(this.#at('server'), { certificate, validation, peer }),
    });
  }

  /** Asks the application through a caller's Envoy and the server's. */
  async call(name: 'client' | 'stranger'): Promise<Answer> {
    return await get(this.#at(name), '/');
  }

  /** Has the client call again and again while `work` is done. */
  async trafficDuring(work: (traffic: Traffic) => Promise<void>): Promise<Traffic> {
    const traffic = new Traffic();
    const over = new AbortController();
    const calling = (async () => {
      while (!over.signal.aborted) {
        try {
          traffic.note(await this.call('client'));
        } catch (thrown) {
          traffic.failed.push(String(thrown));
        }
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    })();
    try {
      await work(traffic);
    } finally {
      over.abort();
      await calling;
    }
    return traffic;
  }

  /** Runs `signet authority` on the authorities of the run. */
  async authority(...words: readonly string[]): Promise<string> {
    const domain = ['--trust-domain', 'example.org', '--run-dir', this.dev.runDir];
    const args = ['--conditions=source', MAIN, 'authority', ...words, ...domain];
    // It does not start where somebody added authorities, as test machines do.
    const env = { PATH: process.env['PATH'] };
    const { stdout } = await promisify(execFile)(process.execPath, args, { env });
    return stdout;
  }

  async close(): Promise<void> {
    for (const envoy of this.#envoys) await envoy.close();
    this.#application.close();
    this.#application.closeAllConnections();
    await this.dev.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #at(name: string): string {
    return join(this.#directory, name);
  }

  async #envoy(
    name: string,
    { listener, upstream }: { listener: object; upstream: object },
  ): Promise<EnvoyProcess> {
    const { socket } = await this.dev.pod(`shop/${name}`);
    const options = {
      directory: this.#directory,
      name,
      secrets: socket,
      listener,
      upstream,
      metadata: this.#metadata,
    };
    const envoy = await EnvoyProcess.start(options);
    this.#envoys.push(envoy);
    return envoy;
  }
}

/** What became of many calls. */
export class Traffic {
  count = 0;
  readonly failed: string[] = [];
  /** Serial numbers of the certificates that the server was shown. */
  readonly serials = new Set<string>();

  note({ status, body }: Answer): void {
    this.count += 1;
    if (status === 200) this.serials.add(callerOf(body).serialNumber);
    else this.failed.push(`${status} ${body}`);
  }
}

/** The certificate that the server's Envoy saw, from what the application answers. */
export function callerOf(forwarded: string): X509Certificate {
  const [, pem = ''] = /Cert="([^"]+)"/.exec(forwarded) ?? [];
  return new X509Certificate(decodeURIComponent(pem));
}

function podManifest(name: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'shop' },
    spec: {
      serviceAccountName: 'default',
      containers: [{ name: 'envoy', image: 'i' }],
      volumes: [
        {
          name: 'identity',
          csi: {
            driver: 'csi.spiffe.io',
            readOnly: true,
            volumeAttributes: { 'signet.dev/sds': 'true' },
          },
        },
      ],
    },
  });
}
