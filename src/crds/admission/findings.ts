// What admission finds in an object: errors refuse it, warnings are shown and change nothing.

import { CodedError } from '../../base/errors.ts';
import type { JsonValue } from '../../template/json-value.ts';
import { clip } from '../clip.ts';
import { MAX_HINT_BYTES } from '../entry-limits.ts';
import type { ParseResult } from '../parse-result.ts';
import { checkSchema } from '../schema/check-schema.ts';
import type { StructuralSchema } from '../schema/structural-schema.ts';

export type AdmissionFindings = {
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
};

/** Collects findings, one rule at a time. */
export class Findings {
  readonly errors: string[] = [];
  readonly warnings: string[] = [];

  error(field: string, rule: string): void {
    this.errors.push(clip(`${field}: ${rule}`));
  }

  warn(field: string, rule: string): void {
    this.warnings.push(clip(`${field}: ${rule}`));
  }

  /**
   * Runs a check that throws `invalid-argument`; whether it refuses is the caller's to say.
   * Returns whether nothing was found.
   */
  check(field: string, run: () => void, isCertain = true): boolean {
    try {
      run();
      return true;
    } catch (thrown) {
      const { code, message } = CodedError.from(thrown);
      if (code !== 'invalid-argument') throw thrown;
      if (isCertain) this.error(field, message);
      else this.warn(field, `${message} (tried on a sample pod)`);
      return false;
    }
  }
}

type Reading<T> = {
  readonly schema: StructuralSchema;
  readonly parse: (object: JsonValue | undefined) => ParseResult<T>;
  /** The rules beyond what makes the object readable. */
  readonly judge: (value: T, findings: Findings) => void;
};

/** Schema, then parser, then the stricter rules; each only when the one before found no error. */
export function admit<T>(object: JsonValue | undefined, reading: Reading<T>): AdmissionFindings {
  const { errors, pruned } = checkSchema(reading.schema, object, '');
  const findings = new Findings();
  for (const field of pruned) findings.warn(field, 'unknown field, dropped');
  if (errors.length > 0) return { errors, warnings: findings.warnings };
  const parsed = reading.parse(object);
  findings.errors.push(...parsed.errors);
  findings.warnings.push(...parsed.warnings);
  if (parsed.value !== undefined) reading.judge(parsed.value, findings);
  return findings;
}

export function checkHint(hint: string, findings: Findings): void {
  if (Buffer.byteLength(hint) > MAX_HINT_BYTES) {
    findings.error('spec.hint', `must have at most ${MAX_HINT_BYTES} bytes`);
  }
}

/** A TTL that is set; upstream cuts it to whole seconds, where 0 would mean the default. */
export function checkTtl(field: string, seconds: number, findings: Findings): void {
  if (seconds >= 1) return;
  findings.error(field, 'must be at least 1s; left out, it is the default');
}

/** The fields that only mean something to SPIRE's own servers and agents. */
export function warnWithoutEffect(field: string, isSet: boolean, findings: Findings): void {
  if (isSet) findings.warn(field, 'has no effect here');
}
