// How long a publish is held. Known to get no identity: not at all. Expected, or not ruled out yet:
// a while, then OK all the same. A volume that demands an identity: longer, then a failure that the
// kubelet retries.

import type { Clock } from '../../base/clock.ts';
import { CodedError } from '../../base/errors.ts';
import type { Latest } from '../../base/latest.ts';
import { REQUIRE_IDENTITY } from '../csi/publish-request.ts';
import type { PodAnswer } from '../svid/pod-answer.ts';
import type { VolumeRecord } from './volume-records.ts';

export type IdentityWait = {
  readonly clock: Clock;
  /** How long a publish waits for an identity that is expected or not yet ruled out. */
  readonly publishWaitMs: number;
  /** The same for a volume that demands an identity. */
  readonly requireIdentityWaitMs: number;
};

/** Throws `aborted` when cancelled, `unavailable` when a demanded identity does not come. */
export async function awaitIdentity(
  record: VolumeRecord,
  answers: Latest<PodAnswer>,
  options: IdentityWait & { readonly signal: AbortSignal },
): Promise<void> {
  const { clock, publishWaitMs, requireIdentityWaitMs, signal } = options;
  const required = isRequired(record);
  const wait = new AbortController();
  const stop = () => wait.abort();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  void clock.sleep(required ? requireIdentityWaitMs : publishWaitMs, wait.signal).then(stop);
  const settled = await answers.first(
    (now) => now.kind === 'served' || (now.kind === 'refused' && !required),
    wait.signal,
  );
  signal.removeEventListener('abort', stop);
  stop();
  if (signal.aborted) throw new CodedError('aborted', 'the kubelet cancelled the call');
  if (required && settled === undefined) {
    const now = answers.value;
    const reason = now?.kind === 'refused' ? now.reason : 'Pending';
    throw new CodedError('unavailable', `no identity issued: ${reason}`, { reason });
  }
}

/** Whether the volume's pod is not to start without an identity. */
export function isRequired({ attributes }: VolumeRecord): boolean {
  return attributes[REQUIRE_IDENTITY] === 'true';
}
