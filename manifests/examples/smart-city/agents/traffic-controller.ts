// Sets the traffic lights. Who may ask for what is in access-policy.yaml; who asks is what a
// certificate says, nothing else.
//
//   SPIFFE_ENDPOINT_SOCKET=unix:///… node traffic-controller.ts

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import {
  AccessGuard,
  AccessPolicyFile,
  createHttpsServer,
  memberOf,
  trustDomainOf,
  X509Source,
} from '@signet/client';
import { say } from './ask.ts';

const OPERATIONS: ReadonlyMap<string, string> = new Map([
  ['/traffic', 'traffic.read'],
  ['/signals', 'signals.set'],
  ['/green-wave', 'green-wave.request'],
]);

const source = new X509Source();
await source.ready();
const me = source.svid.spiffeId;
const guard = new AccessGuard({
  policy: AccessPolicyFile.open(join(import.meta.dirname, 'access-policy.yaml')),
  operationOf: ({ url = '' }) => OPERATIONS.get(url),
  onDecision: ({ peer, operation, allowed, rule, reason }) => {
    if (!allowed) say(`refused ${operation} to ${peer}: ${reason}`);
    else if (!said.has(rule)) say(`allowed ${operation} to ${peer} by ${rule}`);
    said.add(rule);
  },
});
const said = new Set<string>();

const server = createHttpsServer(
  { source, authorize: memberOf(trustDomainOf(me)) },
  (request, response) => void answer(request, response),
);
server.listen(0, '127.0.0.1', () => {
  say(`I am ${me}`);
  say(`listening on ${(server.address() as AddressInfo).port}`);
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const peer = await guard.admit(request, response);
  if (peer === undefined) return;
  const { serialNumber = '' } = (request.socket as TLSSocket).getPeerX509Certificate() ?? {};
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ peer, certificate: serialNumber.slice(0, 8) }));
}
