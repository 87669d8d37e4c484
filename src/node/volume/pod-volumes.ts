// Counts a pod's volumes, those that are just being published included: pods share the node plugin's
// memory, and a pod's author says how many volumes it has.

import { invalid } from '../../base/errors.ts';
import { MAX_POD_VOLUMES } from '../../base/volume-limits.ts';
import type { VolumeRecord } from './volume-records.ts';

export class PodVolumes {
  readonly #publishing = new Set<VolumeRecord>();

  /** Throws `invalid-argument` for a volume too many; `known` are all that the node has. */
  async publish(
    record: VolumeRecord,
    known: readonly VolumeRecord[],
    act: () => Promise<void>,
  ): Promise<void> {
    const { podUid, volumeId } = record;
    const ids = new Set(
      [...known, ...this.#publishing]
        .filter((each) => each.podUid === podUid)
        .map((each) => each.volumeId),
    );
    if (!ids.has(volumeId) && ids.size >= MAX_POD_VOLUMES) {
      throw invalid(
        `volume_id: pod ${podUid} has ${MAX_POD_VOLUMES} volumes of this driver already`,
      );
    }
    this.#publishing.add(record);
    try {
      await act();
    } finally {
      this.#publishing.delete(record);
    }
  }
}
