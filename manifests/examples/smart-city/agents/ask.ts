// How the agents of this example talk: one request over mutual TLS to one peer, known by its ID.

import { type Agent, request } from 'node:https';
import { exactly, httpsAgent, parseSpiffeId, X509Source } from '@signet/client';

export type Answer = {
  readonly isAllowed: boolean;
  /** Whom the peer took us for, and the certificate it saw; '' when it refused. */
  readonly peer: string;
  readonly certificate: string;
};

export async function ask(agent: Agent, port: number, path: string): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = request({ agent, host: '127.0.0.1', port, path, method: 'POST' }, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('end', () => {
      const said = JSON.parse(Buffer.concat(chunks).toString()) as Partial<Answer>;
      const { peer = '', certificate = '' } = said;
      resolve({ isAllowed: response.statusCode === 200, peer, certificate });
    });
    response.on('error', reject);
  });
  sent.on('error', reject);
  sent.end();
  return await promise;
}

/** Asks the traffic controller for each path, at the port in the first argument, and says what came. */
export async function tryAll(paths: readonly string[]): Promise<void> {
  const port = Number(process.argv[2]);
  const source = new X509Source();
  await source.ready();
  const me = source.svid.spiffeId;
  say(`I am ${me}`);
  const controller = exactly(parseSpiffeId(me.replace(/[^/]+$/, 'traffic-controller')));
  const agent = httpsAgent({ source, authorize: controller });
  for (const path of paths) {
    const { isAllowed } = await ask(agent, port, path);
    say(`${path}: ${isAllowed ? 'allowed' : 'refused, because of who I am'}`);
  }
  agent.destroy();
  source.close();
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
