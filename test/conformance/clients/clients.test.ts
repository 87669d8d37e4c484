// Everybody with everybody: workloads in the languages of languages.ts, each on a socket of
// its own, talk mTLS and pass JWT-SVIDs to one another, through a rotation and through ends of the
// server under them, after which none of them is started again.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { DevProcess, podManifest, policyManifest } from '../../integration/dev/dev-process.ts';
import { LANGUAGES } from './languages.ts';
import { Peer } from './peer.ts';

const LIFE_SECONDS = 40;
const BUILD_AND_RUN_MS = 900_000;
const isFinal = process.env['CI'] === 'true';

const idOf = (name: string) => `spiffe://example.org/${name}`;

const missing = LANGUAGES.map(({ name, missing: of }) => ({ name, needs: of() }));
const present = LANGUAGES.filter(({ name }) =>
  missing.some((each) => each.name === name && (each.needs === undefined || isFinal)),
);
for (const { name, needs } of missing) {
  const skip = needs === undefined || isFinal ? false : `needs ${needs}`;
  test(`there is what ${name} needs`, { skip }, () => assert.equal(needs, undefined));
}

suite('every client with every other', { timeout: BUILD_AND_RUN_MS }, () => {
  const dev = new DevProcess({
    'policy.json': policyManifest('by-name', {
      spiffeIDTemplate: 'spiffe://example.org/{{ .PodMeta.Name }}',
      ttl: `${LIFE_SECONDS}s`,
    }),
    ...Object.fromEntries(present.map(({ name }) => [`${name}.json`, podManifest(name)])),
  });
  const peers: Peer[] = [];

  before(async () => {
    const commands = await Promise.all(present.map(async ({ prepare }) => await prepare()));
    await dev.start();
    for (const [index, { name }] of present.entries()) {
      const { socket } = await dev.pod(`shop/${name}`);
      peers.push(new Peer(name, idOf(name), [...(commands[index] ?? []), `unix://${socket}`]));
    }
  });
  after(async () => {
    for (const peer of peers) await peer.close();
    await dev.close();
  });

  /** Waits until each has more SVIDs than the number given. */
  async function haveChanged(before: readonly number[]): Promise<void> {
    const waiting = peers.map(async (peer, index) => {
      const known = before[index] ?? 0;
      await peer.until('new SVID', () => peer.serials.length > known);
    });
    const failures = (await Promise.allSettled(waiting)).filter(
      (each) => each.status === 'rejected',
    );
    const said = dev.lines.map(({ text }) => text).join('\n');
    assert.deepEqual(
      failures.map(({ reason }) => String(reason)),
      [],
      said,
    );
  }

  async function dialEachOther(): Promise<void> {
    await Promise.all(
      peers.map(async (from) => {
        for (const to of peers) {
          const answer = await from.ask({ do: 'dial', address: to.address, expect: to.id });
          assert.deepEqual(
            answer,
            { peer: to.id, toldAs: from.id },
            `${from.name} dials ${to.name}: ${JSON.stringify(answer)}; ${to.errors}`,
          );
        }
      }),
    );
  }

  async function passTokens(): Promise<void> {
    await Promise.all(
      peers.map(async (from) => {
        const { token = '' } = await from.ask({ do: 'token', audience: 'billing' });
        assert.notEqual(token, '', `${from.name} gets a token`);
        for (const to of peers) {
          const answer = await to.ask({ do: 'check', audience: 'billing', token });
          assert.deepEqual(
            answer,
            { byServer: from.id, local: from.id },
            `${to.name} checks what ${from.name} got: ${JSON.stringify(answer)}`,
          );
        }
      }),
    );
  }

  test('WA-06: each gets its identity and listens', async () => {
    await Promise.all(
      peers.map(async (peer) => {
        await peer.until('identity', () => peer.port !== 0 && peer.serials.length > 0);
      }),
    );
  });

  test('T-16: each talks mTLS with each, and both know who it is', dialEachOther);

  test('PF-01, PF-07: a JWT-SVID of each passes with each', passTokens);

  test('each refuses a server that is not the one it expects', async () => {
    for (const [index, from] of peers.entries()) {
      const to = peers[(index + 1) % peers.length] ?? from;
      const expect = idOf('stranger');
      const { error = '' } = await from.ask({ do: 'dial', address: to.address, expect });
      assert.notEqual(error, '', `${from.name} dials ${to.name}`);
    }
  });

  test('a token for another audience passes with nobody', async () => {
    const [first] = peers;
    const { token = '' } = (await first?.ask({ do: 'token', audience: 'billing' })) ?? {};
    for (const to of peers) {
      const { error = '' } = await to.ask({ do: 'check', audience: 'payroll', token });
      assert.notEqual(error, '', to.name);
    }
  });

  test('WA-03: each follows a rotation, and all is as before', async () => {
    await haveChanged(peers.map(({ serials }) => serials.length));
    await dialEachOther();
  });

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    test(`WA-03: each comes back by itself when the server ends by ${signal} and starts anew`, async () => {
      const before = peers.map(({ serials }) => serials.length);
      await dev.end(signal);
      await dev.start();
      await haveChanged(before);
      assert.deepEqual(
        peers.filter(({ isRunning }) => !isRunning).map(({ name }) => name),
        [],
      );
      await dialEachOther();
      await passTokens();
    });
  }
});
