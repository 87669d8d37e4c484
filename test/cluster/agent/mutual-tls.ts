// `serve PORT PEERS` echoes lines over mTLS; `call HOST PORT PEERS [EVERY-MS]` calls it again and
// again on new connections; `errand HOST PORT PEERS` asks for its SVID exactly once, calls once and ends.
// PEERS is a SPIFFE ID, or a trust domain whose members all may.

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import {
  type Authorizer,
  CodedError,
  connectTls,
  createTlsServer,
  exactly,
  memberOf,
  peerSpiffeId,
  X509Source,
} from '../../../client/src/index.ts';
import { once as askOnce } from './once.ts';
import { emit, serialOf } from './output.ts';

const REPORT_MS = 1000;
const CALL_TIMEOUT_MS = 5000;
/** It has one try, and many start at the same time. */
const ERRAND_TIMEOUT_MS = 30_000;

export async function serve([port, peers]: readonly string[], stop: AbortSignal): Promise<number> {
  const source = new X509Source();
  const server = createTlsServer({ source, authorize: authorizerOf(peers) }, (socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.on('tlsClientError', (error: Error) => emit({ refused: error.message }));
  await source.ready(stop);
  server.listen(Number(port));
  await once(server, 'listening');
  emit({ listening: Number(port), id: source.svid.spiffeId });
  await once(stop, 'abort');
  source.close();
  return 0;
}

export async function call(args: readonly string[], stop: AbortSignal): Promise<number> {
  const [host = '', port, peers, everyMs = '20'] = args;
  const source = new X509Source();
  await source.ready(stop);
  emit({ id: source.svid.spiffeId });
  const to = { host, port: Number(port) };
  const counts = { calls: 0, failures: 0, rotations: 0, peerRotations: 0 };
  const serials = { own: '', peer: '' };
  let reported = performance.now();
  while (!stop.aborted) {
    try {
      const socket = await connectTls({
        source,
        authorize: authorizerOf(peers),
        to,
        timeoutMs: CALL_TIMEOUT_MS,
        signal: stop,
      });
      const peer = await echo(socket);
      counts.calls += 1;
      const own = serialOf(source.svid.chain);
      if (serials.own !== '' && serials.own !== own) counts.rotations += 1;
      if (serials.peer !== '' && serials.peer !== peer.serial) counts.peerRotations += 1;
      if (counts.calls === 1) emit({ peer: peer.id });
      serials.own = own;
      serials.peer = peer.serial;
    } catch (thrown) {
      if (stop.aborted) break;
      counts.failures += 1;
      emit({ failure: CodedError.from(thrown).message, code: CodedError.from(thrown).code });
    }
    if (performance.now() - reported >= REPORT_MS) {
      reported = performance.now();
      emit(counts);
    }
    await sleep(Number(everyMs), undefined, { signal: stop }).catch(() => {});
  }
  emit({ ...counts, done: true });
  source.close();
  return 0;
}

export async function errand(args: readonly string[], stop: AbortSignal): Promise<number> {
  const status = await askOnce();
  if (status !== 0) return status;
  const [host = '', port, peers] = args;
  const source = new X509Source();
  try {
    await source.ready(stop);
    const to = { host, port: Number(port) };
    const authorize = authorizerOf(peers);
    const timeoutMs = ERRAND_TIMEOUT_MS;
    const socket = await connectTls({ source, authorize, to, timeoutMs, signal: stop });
    const { id } = await echo(socket, ERRAND_TIMEOUT_MS);
    emit({ peer: id });
    return 0;
  } catch (thrown) {
    emit({ failure: CodedError.from(thrown).message, code: CodedError.from(thrown).code });
    return 1;
  } finally {
    source.close();
  }
}

async function echo(
  socket: TLSSocket,
  timeoutMs = CALL_TIMEOUT_MS,
): Promise<{ id: string; serial: string }> {
  try {
    const answered = once(socket, 'data', { signal: AbortSignal.timeout(timeoutMs) });
    socket.write('ping\n');
    const [line] = (await answered) as [Buffer];
    if (line.toString() !== 'ping\n') throw new Error('not what was sent');
    return { id: peerSpiffeId(socket), serial: socket.getPeerCertificate().serialNumber };
  } finally {
    socket.destroy();
  }
}

function authorizerOf(peers = ''): Authorizer {
  return peers.startsWith('spiffe://') && peers.split('/').length > 3
    ? exactly(peers)
    : memberOf(peers);
}
