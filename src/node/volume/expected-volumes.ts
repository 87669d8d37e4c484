// Volumes that are recorded and not served: at a start all of them, later those whose failure may
// pass and those that another instance has recorded.

import type { Logger } from '../../base/log.ts';
import type { VolumeRecord, VolumeRecords } from './volume-records.ts';

export class ExpectedVolumes {
  readonly #records: VolumeRecords;
  readonly #log: Logger;
  readonly #expected = new Map<string, VolumeRecord>();
  /** Those whose failure has been logged. */
  readonly #failed = new Set<string>();
  /** Ended by the kubelet, though their record could not be removed. */
  readonly #ended = new Set<string>();

  constructor(records: VolumeRecords, log: Logger) {
    this.#records = records;
    this.#log = log;
  }

  get all(): readonly VolumeRecord[] {
    return [...this.#expected.values()];
  }

  get(volumeId: string): VolumeRecord | undefined {
    return this.#expected.get(volumeId);
  }

  /** Takes in the records that are there now, whoever wrote them; gives the new ones. */
  load(isKnown: (volumeId: string) => boolean): readonly VolumeRecord[] {
    const loaded = this.#records.load((file, err) =>
      this.#log.warn({ path: file, err }, 'Ignored a volume record that does not parse'),
    );
    const fresh = loaded.filter(
      ({ volumeId }) =>
        !this.#expected.has(volumeId) && !this.#ended.has(volumeId) && !isKnown(volumeId),
    );
    for (const record of fresh) this.#expected.set(record.volumeId, record);
    return fresh;
  }

  failed({ volumeId, podUid }: VolumeRecord, err: unknown): void {
    if (!this.#failed.has(volumeId)) {
      this.#log.error({ volumeId, podUid, err }, 'Failed to serve a recorded volume again');
    }
    this.#failed.add(volumeId);
  }

  /** It is served, or never will be. */
  remove(volumeId: string): void {
    this.#expected.delete(volumeId);
    this.#failed.delete(volumeId);
  }

  /** The kubelet begins the volume, or has ended it: a record that stays means nothing then. */
  setEnded(volumeId: string, isEnded: boolean): void {
    if (isEnded) this.#ended.add(volumeId);
    else this.#ended.delete(volumeId);
  }
}
