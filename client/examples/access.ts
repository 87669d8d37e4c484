// Who may do what, by a policy in a file.

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AccessGuard,
  AccessPolicyFile,
  createHttpsServer,
  decideAccess,
  exactly,
  memberOf,
  parseSpiffeId,
  readAccessPolicy,
  tlsFetch,
  X509Source,
} from '@signet/client';

const text = `apiVersion: signet.dev/v1alpha1
kind: AccessPolicy
metadata: { name: traffic }
operations: [traffic.read, signals.set]
rules:
  - name: the-client-reads
    peers: ["spiffe://example.org/client"]
    operations: [traffic.read]
`;

// A decision by itself, as in a test of the policy.
const { policy } = readAccessPolicy(text);
const decision = decideAccess(policy, parseSpiffeId('spiffe://example.org/other'), 'traffic.read');
console.log(decision.allowed || decision.message);

const folder = mkdtempSync(join(tmpdir(), 'access-'));
writeFileSync(join(folder, 'policy.yaml'), text);
const file = AccessPolicyFile.open(join(folder, 'policy.yaml'));
const guard = new AccessGuard({
  policy: file,
  operationOf: ({ method }) => (method === 'GET' ? 'traffic.read' : 'signals.set'),
  onDecision: ({ operation, allowed, rule, reason }) => {
    console.log(`${operation}: ${allowed ? rule : reason}`);
  },
});

const source = new X509Source();
await source.ready();
const server = createHttpsServer(
  { source, authorize: memberOf('example.org') },
  (request, response) => {
    void guard.admit(request, response).then((peer) => {
      if (peer !== undefined) response.end('42 cars');
    });
  },
);
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `https://localhost:${(server.address() as AddressInfo).port}/`;
const fetch = tlsFetch({ source, authorize: exactly('spiffe://example.org/client') });
console.log(await (await fetch(url)).text());
console.log((await fetch(url, { method: 'PUT' })).status);

server.close();
server.closeAllConnections();
file.close();
source.close();
rmSync(folder, { recursive: true });

// → no rule lets spiffe://example.org/other do traffic.read
// → traffic.read: the-client-reads
// → 42 cars
// → signals.set: NoRule
// → 403
