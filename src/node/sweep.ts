// Looks again and again at what others can change on the disk: names that were removed are put back,
// by the instance that the kubelet calls and no other.

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { PluginSocket } from './csi/plugin-socket.ts';
import type { Seniority } from './hand-over.ts';
import type { Volumes } from './volume/volumes.ts';

export type Swept = {
  readonly csi: PluginSocket;
  readonly volumes: Volumes;
  readonly seniority: Seniority;
  readonly clock: Clock;
  readonly log: Logger;
};

const EVERY_MS = 10_000;
const OFTEN_MS = 1000;

/** Until aborted; more often until `oftenUntil`, while another instance may be at work too. */
export async function sweep(swept: Swept, oftenUntil: number, signal: AbortSignal): Promise<void> {
  const { csi, volumes, seniority, clock, log } = swept;
  while (!signal.aborted) {
    await clock.sleep(clock.now() < oftenUntil ? OFTEN_MS : EVERY_MS, signal);
    if (signal.aborted) return;
    if (seniority.hasYielded()) continue;
    try {
      if (csi.holder() === 'none') await csi.bindAgain();
      await volumes.sweep();
    } catch (err) {
      log.warn({ err }, 'Failed to look after sockets and volumes');
    }
  }
}
