// Ten thousand rotations in one process, on both sides of a real socket, some of them with a TLS server
// that follows: prints how much memory is in use on the way. Run with --expose-gc and the socket's path.

import {
  BundleSource,
  createHttpsServer,
  exactly,
  liveTlsOptions,
  X509Source,
} from '../../../client/src/index.ts';
import { FakeWorkloadApi, x509Answer } from '../../fakes/fake-workload-api.ts';
import { TestCa } from '../../fakes/test-ca.ts';

const ROTATIONS = 10_000;
const FIRST = 2000;
const WITH_SERVER = 4000;
/** More than anything keeps of the last ones, so that old ones would be seen to stay. */
const DIFFERENT = 100;

const ca = new TestCa('example.org');
const answers = Array.from({ length: DIFFERENT }, () => x509Answer(ca, [ca.svid('/agent')]));
const api = new FakeWorkloadApi(process.argv[2] ?? '');
await api.start();
const bundles = { 'spiffe://example.org': ca.certificate };
const source = new X509Source({ address: api.address });
const trusted = new BundleSource({ address: api.address, profiles: ['x509'] });
api.x509Bundles.set({ bundles });
void trusted.ready();
const check = { source, authorize: exactly('spiffe://example.org/agent') };
const server = createHttpsServer(check, () => {});
server.listen(0, '127.0.0.1');
const ssl = liveTlsOptions(check);

const changes = source.changes(new AbortController().signal);
let contexts = 0;
for (let rotation = 1; rotation <= ROTATIONS; rotation += 1) {
  const answer = answers[rotation % DIFFERENT];
  if (answer === undefined) throw new Error('no answer');
  api.x509Svids.set(answer);
  if (rotation % 10 === 0) api.x509Bundles.set({ bundles });
  const { value: state } = await changes.next();
  if (state?.status !== 'current') throw new Error(`rotation ${rotation}: ${state?.status}`);
  // A pool does so for each connection, a server for each rotation.
  if (rotation % 5 === 0 && ssl.secureContext !== undefined) contexts += 1;
  if ([FIRST, WITH_SERVER, ROTATIONS].includes(rotation)) await report(rotation);
  // A handshake's worth of work each time: what it keeps is seen by now.
  if (rotation === WITH_SERVER) server.close();
}
process.exit(0);

async function report(rotation: number): Promise<void> {
  for (let round = 0; round < 4; round += 1) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  const open = process.getActiveResourcesInfo().length;
  const trustDomains = trusted.x509Bundles.size;
  const line = { rotation, contexts, heapUsed, external, rss, open, trustDomains };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
