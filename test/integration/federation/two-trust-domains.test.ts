// Two control planes whose agents talk mTLS across trust domains all the time, while both replace their
// roots; then one side is not federated with any more.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import type { Server } from 'node:tls';
import {
  connectTls,
  createTlsServer,
  exactly,
  type X509Source,
} from '../../../client/src/index.ts';
import { CodedError } from '../../../src/base/errors.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import { validateX509Svid } from '../../../src/spiffe/x509-svid/x509-svid.ts';
import { X509TrustAnchors } from '../../../src/spiffe/x509-svid/x509-trust-anchors.ts';
import { until } from '../process-harness.ts';
import { DevSide, PATIENCE_MS } from './dev-side.ts';

const [east, west] = [new DevSide('east.example'), new DevSide('west.example')];
const sides = [east, west];
const servers: Server[] = [];
let sources: Map<DevSide, X509Source>;

before(async () => {
  await Promise.all(sides.map(async (side) => await side.start()));
  sources = new Map();
  for (const side of sides) sources.set(side, await side.source());
});
after(async () => {
  for (const server of servers) server.close();
  await Promise.all(sides.map(async (side) => await side.stop()));
});

const sourceOf = (side: DevSide) => sources.get(side) ?? assert.fail();
const otherOf = (side: DevSide) => (side === east ? west : east);
const foreignOf = (side: DevSide) =>
  sourceOf(side).bundleOf(parseTrustDomain(otherOf(side).trustDomain));

/** A server of the side's agent for the other side's agent alone. */
async function serve(side: DevSide): Promise<number> {
  const authorize = exactly(otherOf(side).agent);
  const server = createTlsServer({ source: sourceOf(side), authorize }, (socket) => {
    socket.on('error', () => {});
    socket.end('hello');
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function greet(from: DevSide, port: number): Promise<void> {
  const authorize = exactly(otherOf(from).agent);
  const to = { host: '127.0.0.1', port };
  const source = sourceOf(from);
  const socket = await connectTls({ source, authorize, to, timeoutMs: PATIENCE_MS });
  const bytes = await new Promise<Buffer>((resolve, reject) => {
    socket.once('data', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed before a word')));
  });
  assert.equal(bytes.toString(), 'hello');
  socket.destroy();
}

test('the agents of two trust domains talk while both replace their roots', async (context) => {
  await assert.rejects(async () => await greet(east, await serve(west)), CodedError);
  for (const side of sides) side.federateWith(otherOf(side));
  await until(() => sides.every((side) => foreignOf(side) !== undefined), PATIENCE_MS);
  const ports = new Map([
    [west, await serve(west)],
    [east, await serve(east)],
  ]);
  const failures: unknown[] = [];
  const stop = new AbortController();
  let greetings = 0;
  // Whoever is shaking hands while a root is thrown away may be refused, and comes again: one in each
  // direction, at each of the two.
  let mayBeCut = 0;
  const talk = async (from: DevSide) => {
    while (!stop.signal.aborted) {
      try {
        await greet(from, ports.get(otherOf(from)) ?? 0);
        greetings += 1;
      } catch (thrown) {
        if (mayBeCut > 0) mayBeCut -= 1;
        else failures.push(thrown);
      }
    }
  };
  const talking = sides.map(talk);

  await context.test(
    'FE-01, FE-30: the standby root takes over, and signs what agents have',
    async () => {
      for (const side of sides) {
        await side.authority(({ authorities }) => {
          const standby = authorities.find(({ kind, phase }) => {
            return kind === 'root' && phase === 'published';
          });
          return { verb: 'activate', id: standby?.id ?? '', isUrgent: true };
        });
        const [first] = side.bundle.x509Authorities;
        const { sequence: before = 0 } = side.bundle;
        await until(() => (side.bundle.sequence ?? 0) > before, PATIENCE_MS);
        // Another life is another SVID.
        side.policy({ ttl: '30m' });
        await until(() => !isSignedBelow(sourceOf(side), first), PATIENCE_MS);
      }
    },
  );

  await context.test('FE-03: roots that are thrown away are gone from the other side', async () => {
    for (const side of sides) {
      const [first] = side.bundle.x509Authorities;
      assert.ok(first !== undefined);
      mayBeCut += sides.length;
      await side.authority(({ authorities }) => {
        const retired = authorities.find(
          ({ kind, phase }) => kind === 'root' && phase === 'retired',
        );
        return { verb: 'revoke', id: retired?.id ?? '' };
      });
      const isGone = (list: readonly Uint8Array[] = []) =>
        list.length > 0 && !list.some((der) => Buffer.compare(der, first) === 0);
      await until(() => isGone(foreignOf(otherOf(side))?.authorities), PATIENCE_MS);
    }
  });

  const before = greetings;
  await until(() => greetings > before + 10, PATIENCE_MS);
  stop.abort();
  await Promise.all(talking);
  assert.deepEqual(failures.map(String), []);
  assert.ok(greetings > 50, String(greetings));
});

test('FE-32: a trust domain that is not declared any more is not believed any more', async () => {
  const port = await serve(west);
  east.remove('peer.yaml');
  await until(() => foreignOf(east) === undefined, PATIENCE_MS);
  await assert.rejects(greet(east, port), CodedError);
  assert.ok(foreignOf(west) !== undefined);
});

test('a selector federates with those whose object has such labels', async () => {
  east.policy({ federatesWith: [], federatesWithSelector: { matchLabels: { tier: 'partner' } } });
  const { length } = east.lines;
  east.federateWith(west, { tier: 'guest' });
  const isServed = () => east.lines.slice(length).some((line) => line.includes('is served'));
  await until(isServed, PATIENCE_MS);
  assert.equal(foreignOf(east), undefined);
  east.federateWith(west, { tier: 'partner' });
  await until(() => foreignOf(east) !== undefined, PATIENCE_MS);
  east.federateWith(west, { tier: 'guest' });
  await until(() => foreignOf(east) === undefined, PATIENCE_MS);
});

/** Whether this authority is the one at the end of the SVID's chain. */
function isSignedBelow({ svid }: X509Source, authority: Uint8Array | undefined): boolean {
  if (authority === undefined) return false;
  const anchors = new X509TrustAnchors([authority]);
  try {
    validateX509Svid(svid.chain, { authoritiesOf: () => anchors, now: Date.now() });
    return true;
  } catch {
    return false;
  }
}
