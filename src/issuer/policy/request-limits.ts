// How long the names in a request may be, and how many of its refusals are written down. A node is
// not trusted to be brief: what it says ends up in memory and in the audit log, and a full disk
// would stop all signing.

import type { Clock } from '../../base/clock.ts';
import { invalid, type Refused } from '../../base/errors.ts';
import { MintLimits } from './mint-limits.ts';
import { REASON } from './reasons.ts';

/** UIDs have 36 characters. */
export const MAX_UID_LENGTH = 128;
/** SPIFFE-ID §2.3. */
const MAX_SPIFFE_ID_LENGTH = 2048;

export type NamedItem = {
  readonly podUid: string;
  readonly entryId: string;
  readonly expectedSpiffeId: string;
};

/** Throws `invalid-argument` when a name is longer than any that we gave out. */
export function checkNames({ podUid, entryId, expectedSpiffeId }: NamedItem): void {
  if (podUid.length > MAX_UID_LENGTH) throw invalid('pod UID: too long');
  if (entryId.length > MAX_UID_LENGTH) throw invalid('entry id: too long');
  if (expectedSpiffeId.length > MAX_SPIFFE_ID_LENGTH) throw invalid('SPIFFE ID: too long');
}

/** The first full request tells what is wrong; a flood of them tells nothing more. */
const LINES = { perSecond: 1, burst: 256 };

export class RefusalLines {
  readonly #limits: MintLimits;

  constructor(clock: Clock) {
    this.#limits = new MintLimits(clock, LINES);
  }

  /** Whether a refusal is written to the audit log. */
  take(node: string, { reason }: Refused): boolean {
    // What heals by itself within seconds would fill the log and say nothing.
    if (reason === REASON.VIEW_BEHIND || reason === REASON.THROTTLED) return false;
    return this.#limits.take(node, 1);
  }
}
