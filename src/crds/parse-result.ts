// What reading an object from outside gives: its parsed form, or every rule it breaks, each naming
// the field. Warnings do not keep it from being used.

export type ParseResult<T> = {
  /** Undefined exactly when there are errors. */
  readonly value: T | undefined;
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
};

/** The metadata that policies and restrictions share. */
export type PolicyMeta = {
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  /** Milliseconds since the epoch. */
  readonly creationTimestamp: number;
  readonly isDeleting: boolean;
};
