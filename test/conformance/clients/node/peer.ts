// A peer of the matrix, by our own client package: it follows its identity, answers by mTLS, and does
// what its standard input asks for, one JSON object a line (see ../peer.ts).

import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import {
  connectTls,
  createTlsServer,
  exactly,
  memberOf,
  peerSpiffeId,
  type TrustDomain,
  trustDomainOf,
  WorkloadApiClient,
  X509Source,
} from '../../../../client/src/index.ts';
import { validateJwtSvid } from '../../../../src/spiffe/jwt-svid/jwt-svid.ts';
import type { Order } from '../peer.ts';

const PATIENCE_MS = 10_000;
const address = process.argv[2] ?? '';
const source = new X509Source({ address });
const client = new WorkloadApiClient({ address });

await source.ready(AbortSignal.timeout(120_000));
const [own] = source.svids;
if (own === undefined) throw new Error('no SVID');
const authorize = memberOf(trustDomainOf(own.spiffeId));
const server = createTlsServer({ source, authorize }, (socket) => {
  const id = peerSpiffeId(socket);
  socket.on('error', () => {});
  socket.once('data', () => socket.end(`${id}\n`));
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
emit({ listening: (server.address() as AddressInfo).port });

void follow();
for await (const line of createInterface(process.stdin)) {
  const order = JSON.parse(line) as Order;
  void perform(order).then(
    (result) => emit({ n: order.n, ...result }),
    (error: unknown) => emit({ n: order.n, error: String(error) }),
  );
}
process.exit(0);

function emit(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function follow(): Promise<void> {
  for await (const state of source.changes(new AbortController().signal)) {
    if (state.status !== 'current') continue;
    const [svid] = state.context.svids;
    const [leaf] = svid?.chain ?? [];
    if (svid === undefined || leaf === undefined) continue;
    emit({ svid: svid.spiffeId, serial: new X509Certificate(leaf).serialNumber });
  }
}

async function perform(order: Order): Promise<object> {
  switch (order.do) {
    case 'dial':
      return await dial(order.address, order.expect);
    case 'token':
      return { token: (await client.fetchJwtSvid({ audience: order.audience })).token };
    case 'check': {
      const { spiffeId } = await client.validateJwtSvid(order.token, order.audience);
      return { byServer: spiffeId, local: await validate(order.token, order.audience) };
    }
  }
}

async function dial(to: string, expected: string): Promise<object> {
  const [host = '', port] = to.split(':');
  const socket = await connectTls({
    source,
    authorize: exactly(expected),
    to: { host, port: Number(port) },
    timeoutMs: PATIENCE_MS,
  });
  socket.write('who am I\n');
  const [bytes] = await once(socket, 'data', { signal: AbortSignal.timeout(PATIENCE_MS) });
  socket.destroy();
  return { peer: peerSpiffeId(socket), toldAs: String(bytes).trim() };
}

async function validate(token: string, audience: string): Promise<string> {
  const bundles = await client.fetchJwtBundles();
  const authoritiesOf = (trustDomain: TrustDomain) => bundles.get(trustDomain);
  return validateJwtSvid(token, { audience, authoritiesOf, now: Date.now() }).spiffeId;
}
