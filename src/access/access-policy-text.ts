// An access policy as a file holds it: one YAML document, of which JSON is a part.

import { createHash } from 'node:crypto';
import { parseDocument } from 'yaml';
import { invalid } from '../base/errors.ts';
import type { JsonValue } from '../spiffe/strict-json.ts';
import { type AccessPolicy, parseAccessPolicy } from './access-policy.ts';

export type ReadAccessPolicy = {
  readonly policy: AccessPolicy;
  /** SHA-256 of the text, hexadecimal: which policy a decision was made by. */
  readonly digest: string;
};

export const MAX_ACCESS_POLICY_BYTES = 256 * 1024;

/** Throws `invalid-argument` naming the field and the rule. */
export function readAccessPolicy(text: string): ReadAccessPolicy {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_ACCESS_POLICY_BYTES) {
    throw invalid(`access policy: ${bytes} bytes exceed ${MAX_ACCESS_POLICY_BYTES}`);
  }
  const document = parseDocument(text, { uniqueKeys: true, prettyErrors: true, stringKeys: true });
  const [error] = [...document.errors, ...document.warnings];
  if (error !== undefined) throw invalid(`access policy: ${error.message.split('\n')[0] ?? ''}`);
  const value = toValue(() => document.toJS({ mapAsMap: true, maxAliasCount: 0 }) as JsonValue);
  return {
    policy: parseAccessPolicy(value),
    digest: createHash('sha256').update(text).digest('hex'),
  };
}

function toValue(convert: () => JsonValue): JsonValue {
  try {
    return convert();
  } catch (thrown) {
    throw invalid('access policy: aliases are not taken', thrown);
  }
}
