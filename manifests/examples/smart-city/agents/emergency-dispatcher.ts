// Sends ambulances. Asks the traffic controller for green waves over one connection that stays open,
// while its own certificate is renewed under it, until somebody takes its identity away.
//
//   SPIFFE_ENDPOINT_SOCKET=unix:///… node emergency-dispatcher.ts PORT

import { setTimeout as sleep } from 'node:timers/promises';
import { exactly, httpsAgent, parseSpiffeId, X509Source } from '@signet/client';
import { ask, say } from './ask.ts';

const port = Number(process.argv[2]);
const source = new X509Source();
await source.ready();
const me = source.svid.spiffeId;
say(`I am ${me}`);
const controller = exactly(parseSpiffeId(me.replace(/[^/]+$/, 'traffic-controller')));
const open = httpsAgent({ source, authorize: controller }, { keepAlive: true, maxSockets: 1 });

const first = await ask(open, port, '/green-wave');
say(
  `green wave ${first.isAllowed ? 'granted' : 'refused'}: they saw ${first.peer}, certificate ${first.certificate}`,
);
void talkOn();

const firstEnd = source.svid.notAfter;
let isRenewed = false;
for await (const state of source.changes(new AbortController().signal)) {
  if (state.status === 'current' && !isRenewed && source.svid.notAfter > firstEnd) {
    isRenewed = true;
    await tellOfRenewal();
  }
  if (state.status === 'withdrawn') {
    say(`identity withdrawn: ${state.error.message}`);
    break;
  }
}
process.exit(0);

async function tellOfRenewal(): Promise<void> {
  const old = await ask(open, port, '/green-wave');
  const fresh = httpsAgent({ source, authorize: controller });
  const renewed = await ask(fresh, port, '/green-wave');
  fresh.destroy();
  say(
    `renewed: the open connection goes on (certificate ${old.certificate}), ` +
      `new ones show certificate ${renewed.certificate}`,
  );
}

/** Keeps the connection in use. */
async function talkOn(): Promise<void> {
  for (;;) {
    await sleep(200);
    await ask(open, port, '/green-wave');
  }
}
