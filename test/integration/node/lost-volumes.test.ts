// What earlier runs left in the kubelet's tree and no record tells of: served again or removed, as a
// real issuer says, and else left alone.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { runNodePlugin } from '../../../src/node/main.ts';
import { FakeKubelet } from '../../fakes/fake-kubelet.ts';
import { pod } from '../../unit/issuer/fixtures.ts';
import { until } from './node-harness.ts';
import { RealIssuer } from './real-issuer.ts';
import { fetchOnce } from './restless-client.ts';

const NAME = 'spiffe';
const HOUR_MS = 3_600_000;
const OURS = JSON.stringify({ driverName: 'csi.spiffe.io', volumeLifecycleMode: 'Ephemeral' });
const OTHER = JSON.stringify({ driverName: 'other.example' });

let kubelet: FakeKubelet;
let issuer: RealIssuer;
let stop: AbortController;
let done: Promise<void>;
beforeEach(async () => {
  kubelet = new FakeKubelet();
  issuer = await RealIssuer.start();
  stop = new AbortController();
  done = Promise.resolve();
});
afterEach(async () => {
  stop.abort();
  await done;
  await issuer.stop();
  kubelet.close();
});

function start(): void {
  done = runNodePlugin(
    {
      nodeName: issuer.node,
      driverName: 'csi.spiffe.io',
      kubeletRoot: kubelet.root,
      trustDomain: issuer.trustDomain,
      issuer: issuer.forPlugin,
      clock: systemClock,
      log: silentLogger,
      version: '1.2.3',
    },
    stop.signal,
  );
}

type Left = {
  readonly uid?: string;
  /** The kubelet's note; undefined: none. */
  readonly note?: string;
  readonly ageMs?: number;
  readonly names?: readonly string[];
};

/** A volume directory as an earlier run left it. */
function leave({ uid = randomUUID(), note, ageMs = HOUR_MS, names }: Left = {}): string {
  const target = kubelet.targetOf(uid, NAME);
  mkdirSync(target, { recursive: true });
  for (const name of names ?? ['spire-agent.sock', '.signet-0a.sock']) {
    writeFileSync(join(target, name), '');
  }
  symlinkSync('spire-agent.sock', join(target, 'agent.sock'));
  if (note !== undefined) writeFileSync(noteOf(target), note);
  const then = new Date(Date.now() - ageMs);
  utimesSync(target, then, then);
  return target;
}

const noteOf = (target: string) => join(dirname(target), 'vol_data.json');
const recordsDirectory = () => join(kubelet.root, 'plugins/signet.dev/csi.spiffe.io/volumes');

test('KU-11, KU-22: what a pod left that is gone is removed by name, and what the kubelet cannot use of it', async () => {
  const [unnoted, torn, noted] = [leave(), leave({ note: '' }), leave({ note: OURS })];
  const kept = {
    young: leave({ note: '', ageMs: 60_000 }),
    ofAnotherDriver: leave({ note: OTHER }),
    onAnotherNode: leave({ uid: 'elsewhere' }),
    notOurs: leave({ names: ['data'] }),
  };
  rmSync(join(kept.notOurs, 'agent.sock'));
  const withMore = leave({ names: ['spire-agent.sock', 'precious'] });
  issuer.pods.set(pod({ uid: 'elsewhere', node: 'node-2' }));
  const before = Object.values(kept).map((target) => readdirSync(target));
  start();
  for (const target of [unnoted, torn, noted]) await until(() => !existsSync(target));
  await until(() => !existsSync(join(withMore, 'spire-agent.sock')));
  assert.deepEqual(readdirSync(withMore), ['precious'], 'never recursive');
  assert.deepEqual(readdirSync(dirname(unnoted)), []);
  await until(() => !existsSync(noteOf(torn)));
  assert.ok(existsSync(noteOf(noted)), 'the kubelet ends this one by itself');
  assert.deepEqual(
    Object.values(kept).map((target) => readdirSync(target)),
    before,
  );
  assert.deepEqual(readdirSync(recordsDirectory()), []);
});

test('a volume whose record was lost is served again as the pod that the issuer knows', async () => {
  const [whole, torn, undeclared] = [randomUUID(), randomUUID(), randomUUID()];
  const ids = [issuer.addPod(whole), issuer.addPod(torn)];
  issuer.pods.set(pod({ uid: undeclared, volumes: [{ name: 'another', attributes: {} }] }));
  const targets = [leave({ uid: whole, note: OURS }), leave({ uid: torn, note: '{"dri' })];
  const other = leave({ uid: undeclared, note: OURS });
  start();
  await until(() => existsSync(recordsDirectory()) && readdirSync(recordsDirectory()).length === 2);
  for (const [at, target] of targets.entries()) {
    const link = join(kubelet.root, String(at));
    symlinkSync(target, link);
    let got: string | undefined;
    await until(
      () => got !== undefined,
      async () => {
        got = await fetchOnce(join(link, 'spire-agent.sock')).catch(() => undefined);
      },
    );
    assert.equal(got, ids[at]);
  }
  assert.ok(existsSync(join(other, '.signet-0a.sock')), 'nothing was bound there');
});
