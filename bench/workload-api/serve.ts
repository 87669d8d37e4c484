// Signet's side of the Workload API benchmark: the production handlers and transport on the sockets of
// some pods, without an issuer behind them. A line on standard input asks for a collection.

import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { systemClock } from '../../src/base/clock.ts';
import { Latest } from '../../src/base/latest.ts';
import { silentLogger } from '../../src/base/log.ts';
import { JwtSvids } from '../../src/node/svid/jwt-svids.ts';
import type { PodAnswer } from '../../src/node/svid/pod-answer.ts';
import { workloadEndpoints } from '../../src/node/workload/workload-endpoint.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';

/** A leaf and an intermediate, a P-256 key, two roots, a token of ES256. */
const SIZES = { chain: 1100, key: 138, roots: 1000, jwks: 400, token: 420 };
const HOUR_MS = 3_600_000;

const now = systemClock.now();
const answer: PodAnswer = {
  kind: 'served',
  identities: [
    {
      entryId: 'e',
      spiffeId: parseSpiffeId('spiffe://bench.example/ns/bench/sa/agent'),
      hint: '',
      federatesWith: [],
      jwtDenied: false,
      jwtSingleUse: false,
      sdsDenied: false,
      chain: new Uint8Array(SIZES.chain).fill(1),
      key: new Uint8Array(SIZES.key).fill(2),
      notBefore: now,
      notAfter: now + HOUR_MS,
    },
  ],
  own: {
    trustDomain: parseTrustDomain('bench.example'),
    sequence: 1n,
    x509: new Uint8Array(SIZES.roots).fill(3),
    jwks: new Uint8Array(SIZES.jwks).fill(0x20),
    rootNames: new Set(),
    crls: [],
  },
  federated: [],
};

const present = new Latest<PodAnswer>();
present.set(answer);
const jwtSvids = new JwtSvids('p', {
  clock: systemClock,
  sign: async ({ items }) =>
    items.map(() => ({
      issued: true,
      token: 't'.repeat(SIZES.token),
      issuedAt: systemClock.now(),
      expiresAt: systemClock.now() + HOUR_MS,
    })),
});
const serve = workloadEndpoints({
  answers: { answerOf: () => present, jwtSvidsOf: () => jwtSvids, isPending: () => false },
  clock: systemClock,
  log: silentLogger,
});

for (const [index, path] of process.argv.slice(2).entries()) {
  const endpoint = serve({
    volumeId: `v${index}`,
    targetPath: path,
    podUid: `p${index}`,
    namespace: 'bench',
    podName: `pod-${index}`,
    serviceAccount: 'agent',
    volumeName: 'spiffe',
    attributes: {},
  });
  // As production listens.
  const listener = createServer({ allowHalfOpen: true }, (connection) =>
    endpoint.accept(connection),
  );
  await once(listener.listen(path), 'listening');
}
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
console.log('ready');
for await (const _ of createInterface(process.stdin)) {
  collect();
  console.log('collected');
}
process.exit();
