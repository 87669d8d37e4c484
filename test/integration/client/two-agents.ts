// Two workloads of one trust domain, each with its own Workload API and source.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { X509Source } from '../../../client/src/index.ts';
import type { Report } from '../../../client/src/x509-context.ts';
import { FakeWorkloadApi, x509Answer } from '../../fakes/fake-workload-api.ts';
import { type CertificateShape, TestCa } from '../../fakes/test-ca.ts';

const LIMIT_MS = 10_000;

export const SERVER_ID = 'spiffe://example.org/server';
export const CLIENT_ID = 'spiffe://example.org/client';

export class Agent {
  readonly api: FakeWorkloadApi;
  readonly source: X509Source;
  readonly #ca: TestCa;
  readonly #path: string;
  /** Told what the source reports. */
  report: Report | undefined;

  constructor(ca: TestCa, directory: string, name: string) {
    this.#ca = ca;
    this.#path = `/${name}`;
    this.api = new FakeWorkloadApi(join(directory, name));
    this.source = new X509Source({
      address: this.api.address,
      report: (problem) => this.report?.(problem),
    });
  }

  async start(): Promise<void> {
    await this.api.start();
    this.api.x509Svids.set(x509Answer(this.#ca, [this.#ca.svid(this.#path)]));
    await this.source.ready(AbortSignal.timeout(LIMIT_MS));
  }

  /** A new certificate; resolves when the source has it. */
  async rotate(shape: CertificateShape = {}): Promise<void> {
    const { chain: before } = this.source.svid;
    this.api.x509Svids.set(x509Answer(this.#ca, [this.#ca.svid(this.#path, shape)]));
    for (let tries = 0; tries < 1000 && this.source.svid.chain === before; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    if (this.source.svid.chain === before) throw new Error('no new certificate');
  }

  async stop(): Promise<void> {
    this.source.close();
    await this.api.stop();
  }
}

export async function startTwoAgents(): Promise<{
  readonly ca: TestCa;
  readonly server: Agent;
  readonly client: Agent;
  readonly stop: () => Promise<void>;
}> {
  const directory = mkdtempSync(join(tmpdir(), 'signet-agents-'));
  const ca = new TestCa('example.org');
  const server = new Agent(ca, directory, 'server');
  const client = new Agent(ca, directory, 'client');
  await Promise.all([server.start(), client.start()]);
  const stop = async () => {
    await Promise.all([server.stop(), client.stop()]);
    rmSync(directory, { recursive: true, force: true });
  };
  return { ca, server, client, stop };
}
