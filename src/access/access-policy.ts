// Who may do what at one service: rules that grant operations to SPIFFE IDs. There are grants only;
// what no rule grants is refused, so a rule that is missing or mistyped can only refuse too much.

import { allow, type Decision, invalid, refuse } from '../base/errors.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import type { JsonObject, JsonValue } from '../spiffe/strict-json.ts';
import { matchesPattern, parseSpiffeIdPattern, type SpiffeIdPattern } from './spiffe-id-pattern.ts';

export type AccessRule = {
  readonly name: string;
  readonly peers: readonly SpiffeIdPattern[];
  /** All of them declared. */
  readonly operations: ReadonlySet<string>;
};

export type AccessPolicy = {
  readonly name: string;
  /** Everything that can be asked of the service; rules name nothing else. */
  readonly operations: ReadonlySet<string>;
  readonly rules: readonly AccessRule[];
};

export const ACCESS_POLICY_API_VERSION = 'signet.dev/v1alpha1';
export const ACCESS_POLICY_KIND = 'AccessPolicy';

const MAX_OPERATIONS = 200;
const MAX_RULES = 500;
const MAX_PEERS = 100;
const NAME = /^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/;
/** Words of a-z 0-9 - with dots between them. */
const OPERATION = /^[a-z][a-z0-9-]*(?:\.[a-z][a-z0-9-]*)*$/;
const MAX_OPERATION_LENGTH = 100;

/** Throws `invalid-argument` naming the field and the rule. */
export function parseAccessPolicy(value: JsonValue): AccessPolicy {
  const policy = object(value, 'access policy', [
    'apiVersion',
    'kind',
    'metadata',
    'operations',
    'rules',
  ]);
  if (policy.get('apiVersion') !== ACCESS_POLICY_API_VERSION) {
    throw invalid(`apiVersion: must be ${ACCESS_POLICY_API_VERSION}`);
  }
  if (policy.get('kind') !== ACCESS_POLICY_KIND)
    throw invalid(`kind: must be ${ACCESS_POLICY_KIND}`);
  const metadata = object(policy.get('metadata') ?? null, 'metadata', ['name']);
  const name = policyName(metadata.get('name'), 'metadata.name');
  const operations = new Set(
    list(policy.get('operations'), 'operations', MAX_OPERATIONS).map((item, at) =>
      operationName(item, `operations[${at}]`),
    ),
  );
  const rules = list(policy.get('rules'), 'rules', MAX_RULES).map((item, at) =>
    parseRule(item, `rules[${at}]`, operations),
  );
  const names = new Set<string>();
  for (const [at, rule] of rules.entries()) {
    if (names.has(rule.name)) throw invalid(`rules[${at}].name: ${rule.name} is there twice`);
    names.add(rule.name);
  }
  return { name, operations, rules };
}

/** The first rule that grants it. Refusals: `UnknownOperation`, `NoRule`. */
export function decideAccess(
  { operations, rules }: AccessPolicy,
  peer: SpiffeId,
  operation: string,
): Decision<AccessRule> {
  if (!operations.has(operation)) {
    return refuse('UnknownOperation', 'the policy knows no such operation');
  }
  const rule = rules.find(
    (each) =>
      each.operations.has(operation) && each.peers.some((pattern) => matchesPattern(pattern, peer)),
  );
  return rule === undefined
    ? refuse('NoRule', `no rule lets ${peer} do ${operation}`)
    : allow(rule);
}

function parseRule(value: JsonValue, field: string, declared: ReadonlySet<string>): AccessRule {
  const rule = object(value, field, ['name', 'peers', 'operations']);
  const name = policyName(rule.get('name'), `${field}.name`);
  const peers = list(rule.get('peers'), `${field}.peers`, MAX_PEERS).map((item, at) => {
    if (typeof item !== 'string') throw invalid(`${field}.peers[${at}]: must be a string`);
    return parseSpiffeIdPattern(item, `${field}.peers[${at}]`);
  });
  const operations = list(rule.get('operations'), `${field}.operations`, MAX_OPERATIONS);
  return {
    name,
    peers,
    operations: new Set(
      operations.flatMap((item, at) => granted(item, `${field}.operations[${at}]`, declared)),
    ),
  };
}

/** A declared operation, or by `traffic.*` all that begin with those words. */
function granted(item: JsonValue, field: string, declared: ReadonlySet<string>): readonly string[] {
  if (typeof item === 'string' && item.endsWith('.*')) {
    const stem = operationName(item.slice(0, -2), field);
    const meant = [...declared].filter((operation) => operation.startsWith(`${stem}.`));
    if (meant.length === 0)
      throw invalid(`${field}: operations has none that begins with ${stem}.`);
    return meant;
  }
  const operation = operationName(item, field);
  if (!declared.has(operation)) throw invalid(`${field}: ${operation} is not one of operations`);
  return [operation];
}

function policyName(value: JsonValue | undefined, field: string): string {
  if (typeof value !== 'string' || !NAME.test(value)) {
    throw invalid(`${field}: must be 1 to 63 of a-z 0-9 . - and begin and end with a-z 0-9`);
  }
  return value;
}

function operationName(item: JsonValue, field: string): string {
  if (typeof item !== 'string' || item.length > MAX_OPERATION_LENGTH || !OPERATION.test(item)) {
    throw invalid(
      `${field}: must be words of a-z 0-9 - with dots between them, at most ${MAX_OPERATION_LENGTH} characters`,
    );
  }
  return item;
}

function object(value: JsonValue, field: string, known: readonly string[]): JsonObject {
  if (!(value instanceof Map)) throw invalid(`${field}: must be an object`);
  for (const name of value.keys()) {
    if (!known.includes(name)) {
      throw invalid(`${field}: ${JSON.stringify(name)} is not one of ${known.join(', ')}`);
    }
  }
  return value;
}

function list(value: JsonValue | undefined, field: string, most: number): readonly JsonValue[] {
  if (!Array.isArray(value) || value.length === 0)
    throw invalid(`${field}: must be a list, not empty`);
  if (value.length > most) throw invalid(`${field}: ${value.length} items exceed ${most}`);
  return value as readonly JsonValue[];
}
