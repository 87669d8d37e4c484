// What a validating webhook answers. The message of a refusal names each field and its rule.

export type AdmissionAnswer = {
  readonly allowed: boolean;
  /** Empty when allowed. */
  readonly message: string;
  readonly warnings: readonly string[];
};

const MAX_ERRORS = 10;

/** Allowed when there are no errors; else refused with the first ten of them in one line. */
export function answer(errors: readonly string[], warnings: readonly string[]): AdmissionAnswer {
  const more = errors.length - MAX_ERRORS;
  const shown = more > 0 ? [...errors.slice(0, MAX_ERRORS), `and ${more} more`] : errors;
  return { allowed: errors.length === 0, message: shown.join('; '), warnings };
}
