// Label selectors as the API server accepts them, in one normal form.

import { invalid } from '../base/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue, ownValue } from '../template/json-value.ts';

export type Operator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';

export type Requirement = {
  readonly key: string;
  readonly operator: Operator;
  /** Empty for Exists and DoesNotExist. */
  readonly values: readonly string[];
};

/** All of these must hold; none at all selects everything. */
export type LabelSelector = { readonly requirements: readonly Requirement[] };

const OPERATORS: readonly Operator[] = ['In', 'NotIn', 'Exists', 'DoesNotExist'];
const NAME = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;
const PREFIX = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;
const MAX_PREFIX = 253;

/** Reads a selector; throws `invalid-argument` naming the field below `field`, and the rule. */
export function parseLabelSelector(raw: JsonValue, field: string): LabelSelector {
  if (!isJsonObject(raw)) throw invalid(`${field}: must be an object`);
  const labels = ownValue(raw, 'matchLabels') ?? {};
  const expressions = ownValue(raw, 'matchExpressions') ?? [];
  if (!isJsonObject(labels)) throw invalid(`${field}.matchLabels: must be a map of strings`);
  if (!Array.isArray(expressions)) throw invalid(`${field}.matchExpressions: must be a list`);
  const fromLabels = Object.entries(labels)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => fromLabel(key, value, `${field}.matchLabels`));
  const fromExpressions = expressions.map((item: JsonValue, index) =>
    fromExpression(item, `${field}.matchExpressions[${index}]`),
  );
  return { requirements: [...fromLabels, ...fromExpressions] };
}

function fromLabel(key: string, value: JsonValue | undefined, field: string): Requirement {
  checkKey(key, field);
  return { key, operator: 'In', values: [checkValue(value, `${field}["${key}"]`)] };
}

function fromExpression(raw: JsonValue, field: string): Requirement {
  if (!isJsonObject(raw)) throw invalid(`${field}: must be an object`);
  const key = ownValue(raw, 'key');
  if (typeof key !== 'string') throw invalid(`${field}.key: must be a string`);
  checkKey(key, `${field}.key`);
  const operator = readOperator(ownValue(raw, 'operator'), `${field}.operator`);
  const values = readValues(raw, `${field}.values`);
  const takesValues = operator === 'In' || operator === 'NotIn';
  if (takesValues && values.length === 0) {
    throw invalid(`${field}.values: must not be empty for operator ${operator}`);
  }
  if (!takesValues && values.length > 0) {
    throw invalid(`${field}.values: must be empty for operator ${operator}`);
  }
  return { key, operator, values };
}

function readOperator(raw: JsonValue | undefined, field: string): Operator {
  const operator = OPERATORS.find((each) => each === raw);
  if (operator === undefined) throw invalid(`${field}: must be one of ${OPERATORS.join(', ')}`);
  return operator;
}

function readValues(raw: JsonObject, field: string): readonly string[] {
  const values = ownValue(raw, 'values') ?? [];
  if (!Array.isArray(values)) throw invalid(`${field}: must be a list of strings`);
  return values.map((value: JsonValue, index) => checkValue(value, `${field}[${index}]`));
}

function checkKey(key: string, field: string): void {
  const slash = key.lastIndexOf('/');
  const prefix = slash === -1 ? undefined : key.slice(0, slash);
  const fine =
    NAME.test(key.slice(slash + 1)) &&
    (prefix === undefined || (prefix.length <= MAX_PREFIX && PREFIX.test(prefix)));
  if (!fine) throw invalid(`${field}: "${key}" is not a label key`);
}

function checkValue(value: JsonValue | undefined, field: string): string {
  if (typeof value !== 'string') throw invalid(`${field}: must be a string`);
  if (value !== '' && !NAME.test(value)) throw invalid(`${field}: "${value}" is not a label value`);
  return value;
}
