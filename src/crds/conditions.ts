// Conditions of a status, as the API conventions have them.

export type ConditionStatus = 'True' | 'False' | 'Unknown';

export type Condition = {
  readonly type: string;
  readonly status: ConditionStatus;
  /** A CamelCase constant. */
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
  /** RFC 3339, in whole seconds: when the status, not the rest, last changed. */
  readonly lastTransitionTime: string;
};

/** What the schema allows, so that a long message never keeps a status from being written. */
const MAX_MESSAGE = 32_768;

/** `conditions` with this one; `now` in milliseconds since the epoch. The others stay in place. */
export function setCondition(
  conditions: readonly Condition[],
  condition: Omit<Condition, 'lastTransitionTime'>,
  now: number,
): readonly Condition[] {
  const at = conditions.findIndex(({ type }) => type === condition.type);
  const known = conditions[at];
  const next: Condition = {
    type: condition.type,
    status: condition.status,
    reason: condition.reason,
    message: condition.message.slice(0, MAX_MESSAGE).toWellFormed(),
    observedGeneration: condition.observedGeneration,
    lastTransitionTime:
      known?.status === condition.status ? known.lastTransitionTime : formatTime(now),
  };
  return known === undefined ? [...conditions, next] : conditions.with(at, next);
}

/** RFC 3339 in whole seconds, the form in which the API server keeps times. */
export function formatTime(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19)}Z`;
}
