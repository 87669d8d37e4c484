// How the agents of this example talk: one request over mutual TLS to one peer, known by its ID.

import { type Agent, request } from 'node:https';

export type Answer = {
  readonly isAllowed: boolean;
  /** Whom the peer took us for, and the certificate it saw. */
  readonly peer: string;
  readonly certificate: string;
};

export async function ask(agent: Agent, port: number, path: string): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const sent = request({ agent, host: '127.0.0.1', port, path, method: 'POST' }, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('end', () => resolve(Buffer.concat(chunks).toString()));
    response.on('error', reject);
  });
  sent.on('error', reject);
  sent.end();
  return JSON.parse(await promise) as Answer;
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
