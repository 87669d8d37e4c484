// undici's own fetch and Agent over our connector.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import {
  createHttpsServer,
  exactly,
  peerSpiffeId,
  undiciConnector,
} from '../../../client/src/index.ts';
import { CLIENT_ID, SERVER_ID, startTwoAgents } from '../../integration/client/two-agents.ts';
import { importInstalled } from './installed.ts';

/** What is used of undici here. */
type Undici = {
  readonly Agent: new (options: { readonly connect: unknown }) => { close(): Promise<void> };
  readonly fetch: (url: string, init: { readonly dispatcher: object }) => Promise<Response>;
};

const { Agent, fetch } = (await importInstalled('undici')) as Undici;
const agents = await startTwoAgents();
let requests = 0;
const server = createHttpsServer(
  { source: agents.server.source, authorize: exactly(CLIENT_ID) },
  (request, response) => {
    requests += 1;
    response.end(peerSpiffeId(request.socket));
  },
);
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
after(async () => {
  server.close();
  server.closeAllConnections();
  await agents.stop();
});

test('fetch by a dispatcher: the peer that was expected, and no other', async () => {
  const { source } = agents.client;
  const good = new Agent({ connect: undiciConnector({ source, authorize: exactly(SERVER_ID) }) });
  const response = await fetch(url, { dispatcher: good });
  assert.equal(await response.text(), CLIENT_ID);
  const other = new Agent({ connect: undiciConnector({ source, authorize: exactly(CLIENT_ID) }) });
  await assert.rejects(fetch(url, { dispatcher: other }), (error: Error) =>
    /peer is spiffe:\/\/example.org\/server/.test(String(error.cause)),
  );
  assert.equal(requests, 1);
  await Promise.all([good.close(), other.close()]);
});
