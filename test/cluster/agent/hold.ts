// `hold HOST PORT PEER`: keeps two connections to a `serve` open, one by our client and one by a program
// that heeds nothing: plain TLS, with the SVID it got once. A line for each that opens, ends or is refused.

import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { CodedError, connectTls, exactly, X509Source } from '../../../client/src/index.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { emit, serialOf } from './output.ts';

const PING_MS = 50;
const AGAIN_MS = 100;

export async function hold(args: readonly string[], stop: AbortSignal): Promise<number> {
  const [host = '', port = '', peer = ''] = args;
  const to = { host, port: Number(port) };
  const source = new X509Source();
  await source.ready(stop);
  const { chain, privateKey, spiffeId } = source.svid;
  emit({ id: spiffeId, serial: serialOf(chain) });
  const stolen = {
    cert: chain.map(formatPemCertificate).join(''),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    rejectUnauthorized: false,
  };
  const check = { source, authorize: exactly(peer) };
  await Promise.all([
    keep('ours', async () => await connectTls({ ...check, to, signal: stop }), stop),
    keep('stubborn', async () => await Promise.resolve(connect({ ...to, ...stolen })), stop),
  ]);
  source.close();
  return 0;
}

async function keep(who: string, dial: () => Promise<TLSSocket>, stop: AbortSignal): Promise<void> {
  let last = '';
  const say = (event: string, why = ''): void => {
    if (`${event} ${why}` !== last) emit({ who, event, why });
    last = `${event} ${why}`;
  };
  while (!stop.aborted) {
    try {
      const socket = await dial();
      const wasOpen = await pingUntilClosed(socket, { stop, onOpen: () => say('open') });
      say(wasOpen ? 'closed' : 'refused', wasOpen ? '' : 'closed before an answer');
    } catch (thrown) {
      say('refused', CodedError.from(thrown).code);
    }
    await sleep(AGAIN_MS, undefined, { signal: stop }).catch(() => {});
  }
}

/** Whether it was ever open: an answer came. */
async function pingUntilClosed(
  socket: TLSSocket,
  { stop, onOpen }: { readonly stop: AbortSignal; readonly onOpen: () => void },
): Promise<boolean> {
  let wasOpen = false;
  const pings = setInterval(() => socket.write('ping\n'), PING_MS);
  const end = () => socket.destroy();
  stop.addEventListener('abort', end, { once: true });
  socket.on('error', () => {});
  socket.once('data', () => {
    wasOpen = true;
    onOpen();
  });
  await new Promise((resolve) => socket.on('data', () => {}).once('close', resolve));
  clearInterval(pings);
  stop.removeEventListener('abort', end);
  return wasOpen;
}
