// What volumes need to know of identities, and what they tell in turn.

import type { Latest } from '../../base/latest.ts';
import type { PodAnswer } from '../svid/pod-answer.ts';
import type { VolumeRecord } from './volume-records.ts';

export type PodAnswers = {
  answerOf(podUid: string): Latest<PodAnswer>;
  /** Throws `invalid-argument` when the issuer knows the pod under another name or account. */
  requireMatch(volume: VolumeRecord): void;
  published(volume: VolumeRecord): void;
  unpublished(podUid: string): void;
};
