// Balances the grid. May read traffic; tries to steer it as well, and is told no.
//
//   SPIFFE_ENDPOINT_SOCKET=unix:///… node power-optimiser.ts PORT

import { exactly, httpsAgent, parseSpiffeId, X509Source } from '@signet/client';
import { ask, say } from './ask.ts';

const port = Number(process.argv[2]);
const source = new X509Source();
await source.ready();
const me = source.svid.spiffeId;
say(`I am ${me}`);
const controller = exactly(parseSpiffeId(me.replace(/[^/]+$/, 'traffic-controller')));
const agent = httpsAgent({ source, authorize: controller });
for (const path of ['/traffic', '/green-wave']) {
  const { isAllowed } = await ask(agent, port, path);
  say(`${path}: ${isAllowed ? 'allowed' : 'refused, because of who I am'}`);
}
agent.destroy();
source.close();
