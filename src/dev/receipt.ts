// What a suspension has reached: a receipt instead of a promise. It says which certificates are still
// out and until when somebody who reads no CRL would accept them.

import { isInForce, matchesPod } from '../identity/restrict.ts';
import type { DevEnvironment } from './dev-environment.ts';

/** The lines of a receipt for a restriction; none for one that suspends nothing. */
export function receiptLines(dev: DevEnvironment, name: string, now: number): readonly string[] {
  const restriction = [...dev.view.restrictions.all].find((each) => each.name === name);
  if (restriction === undefined || !restriction.suspend || !isInForce(restriction, now)) return [];
  const lines: string[] = [];
  for (const pod of dev.view.index.pods.all) {
    const { object, winners } = pod;
    if (!matchesPod(restriction, object)) continue;
    for (const { entry } of winners) {
      const { suspendedBy } = dev.view.restrictions.limitsOf(object, entry, now);
      if (suspendedBy === undefined) continue;
      const held = dev.issuer.heldBy(
        ({ podUid, entryId }) => podUid === object.uid && entryId === entry.policy.uid,
      );
      const arrived = dev.hasArrived(object.uid) ? 'acknowledged' : 'not acknowledged yet';
      lines.push(
        `${entry.spiffeId} (${object.namespace}/${object.name}): no new SVIDs; node ${object.nodeName}: ${arrived}`,
        ...held.map(
          ({ serial, notAfter }) =>
            `  certificate ${serial} is still valid until ${new Date(notAfter).toISOString()} for verifiers that read no CRL`,
        ),
      );
    }
  }
  return lines;
}
