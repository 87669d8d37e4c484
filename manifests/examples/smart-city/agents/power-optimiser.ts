// Balances the grid. May read traffic; tries to steer it as well, and is told no.
//
//   SPIFFE_ENDPOINT_SOCKET=unix:///… node power-optimiser.ts PORT

import { tryAll } from './ask.ts';

await tryAll(['/traffic', '/signals', '/green-wave']);
