// Pods of which restrictions suspend one.

import type { Suspension } from '../../../../src/issuer/pod-source.ts';
import { MapPodSource } from '../fixtures.ts';

export class Pods extends MapPodSource {
  restrictionsKnownTo = 0n;
  /** By name, of everything there is. */
  readonly inForce = new Map<string, boolean>();

  suspensions(): ReadonlySet<string> {
    return new Set(this.inForce.keys());
  }

  suspending({ podUid }: { podUid: string }): readonly Suspension[] {
    if (podUid !== 'pod-uid') return [];
    return [...this.inForce].map(([name, isForGood]) => ({ name, isForGood }));
  }

  restrict(name: string, isForGood: boolean | undefined): void {
    if (isForGood === undefined) this.inForce.delete(name);
    else this.inForce.set(name, isForGood);
    this.restrictionVersion += 1n;
    this.restrictionsKnownTo = this.restrictionVersion;
  }
}
