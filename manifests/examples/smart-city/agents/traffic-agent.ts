// Watches traffic and sets the signals accordingly; a green wave is not its business.
//
//   SPIFFE_ENDPOINT_SOCKET=unix:///… node traffic-agent.ts PORT

import { tryAll } from './ask.ts';

await tryAll(['/traffic', '/signals', '/green-wave']);
