// The node plugin's volumes behind a real CSI socket, with identities that a test sets by hand and
// a workload endpoint that only says which pod it is.

import { closeSync, constants, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CodedError } from '../../../src/base/errors.ts';
import { Latest } from '../../../src/base/latest.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { csiIdentity } from '../../../src/node/csi/csi-identity.ts';
import { csiNode } from '../../../src/node/csi/csi-node.ts';
import { PluginSocket } from '../../../src/node/csi/plugin-socket.ts';
import { type PodAnswer, UNKNOWN } from '../../../src/node/svid/pod-answer.ts';
import type { PodAnswers } from '../../../src/node/volume/pod-answers.ts';
import { type VolumeRecord, VolumeRecords } from '../../../src/node/volume/volume-records.ts';
import { Volumes } from '../../../src/node/volume/volumes.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';
import { type FakeKubelet, greeting } from '../../fakes/fake-kubelet.ts';

export const REFUSED: PodAnswer = { kind: 'refused', reason: 'NoPolicy' };
export const SERVED = { kind: 'served', identities: [], federated: [] } as unknown as PodAnswer;

/** Answers that a test sets by hand. */
export class HandSetAnswers implements PodAnswers {
  readonly cells = new Map<string, Latest<PodAnswer>>();
  readonly events: string[] = [];
  mismatch = new Set<string>();
  initial: PodAnswer = REFUSED;

  answerOf(podUid: string): Latest<PodAnswer> {
    let cell = this.cells.get(podUid);
    if (cell === undefined) {
      cell = new Latest<PodAnswer>();
      cell.set(this.initial);
      this.cells.set(podUid, cell);
    }
    return cell;
  }
  requireMatch(volume: VolumeRecord): void {
    if (this.mismatch.has(volume.podUid))
      throw new CodedError('invalid-argument', 'pod info differs');
  }
  published(volume: VolumeRecord): void {
    this.events.push(`published ${volume.podUid}`);
  }
  unpublished(podUid: string): void {
    this.events.push(`unpublished ${podUid}`);
  }
}

export type Plugin = {
  readonly volumes: Volumes;
  readonly answers: HandSetAnswers;
  readonly clock: FakeClock;
  readonly recordsDirectory: string;
  /** What was logged as a warning. */
  readonly warnings: readonly string[];
  stop(): Promise<void>;
};

/** One plugin instance over a kubelet's tree; `greeting` is what its sockets say first. */
export async function startPlugin(kubelet: FakeKubelet, label = ''): Promise<Plugin> {
  const clock = new FakeClock();
  const answers = new HandSetAnswers();
  const warnings: string[] = [];
  const recordsDirectory = join(dirname(kubelet.csiSocket), 'volumes');
  const volumes = new Volumes({
    kubeletRoot: kubelet.root,
    records: new VolumeRecords(recordsDirectory),
    answers,
    serve: (record) => ({
      accept: (connection) => connection.resume().end(`${label}${record.podUid}`),
      close: async () => {},
    }),
    files: { start: () => {}, ready: async () => {}, end: () => {} },
    clock,
    log: { ...silentLogger, warn: (_, message) => warnings.push(message) },
    publishWaitMs: 10_000,
    requireIdentityWaitMs: 90_000,
  });
  await volumes.restore();
  const socket = await PluginSocket.listen({
    path: kubelet.csiSocket,
    services: [
      csiIdentity({ driverName: 'csi.spiffe.io', version: '0', ready: () => true }),
      csiNode({ nodeName: 'node-1', kubeletRoot: kubelet.root, volumes }),
    ],
  });
  return {
    volumes,
    answers,
    clock,
    recordsDirectory,
    warnings,
    stop: async () => {
      await volumes.close();
      await socket.close();
    },
  };
}

/** Connects to a name in a volume's directory, however long the path. */
export async function greetingIn(target: string, name = 'spire-agent.sock'): Promise<string> {
  const fd = openSync(target, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return await greeting(`/proc/self/fd/${fd}/${name}`);
  } finally {
    closeSync(fd);
  }
}

export { UNKNOWN };
