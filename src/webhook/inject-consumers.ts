// The variables that make official clients use the pod's identity, for a pod that names them by
// annotation. What its author set is left as it is; what defeats the identity is reported.

import { CodedError } from '../base/errors.ts';
import { type FileRequest, readFileRequest } from '../base/file-attributes.ts';
import { type JsonObject, ownValue } from '../template/json-value.ts';
import type { AdmissionContainer, AdmissionPod } from './admission-pod.ts';
import { CONSUMERS, type Consumer, type ConsumerVariable } from './consumers.ts';
import { formatField, quote } from './json-path.ts';

const FOR_ANNOTATION = 'signet.dev/for';

export type Consumers = {
  /** By name, in the annotation's order. */
  readonly named: ReadonlyMap<string, Consumer>;
  readonly warnings: readonly string[];
};

export type Variable = { readonly name: string; readonly value: string };

export type ConsumerVariables = {
  readonly variables: readonly Variable[];
  readonly warnings: readonly string[];
  /** `NAME in CONTAINER`, of variables that a client takes instead. */
  readonly conflicts: readonly string[];
};

const FIELD = formatField(['metadata', 'annotations', FOR_ANNOTATION]);

export function readConsumers({ annotations = {} }: AdmissionPod): Consumers {
  const value = ownValue(annotations, FOR_ANNOTATION);
  const names = typeof value === 'string' ? value.split(',').map((name) => name.trim()) : [];
  const unknown = names.filter((name) => !CONSUMERS.has(name));
  const known = [...CONSUMERS.keys()].join(', ');
  const named = names.flatMap((name) => {
    const consumer = CONSUMERS.get(name);
    return consumer === undefined ? [] : [[name, consumer] as const];
  });
  return {
    named: new Map(named),
    warnings: unknown.map((name) => `${FIELD}: ${quote(name)} is none of ${known}`),
  };
}

/** The tokens of all of them, as the attribute has it. */
export function consumerAudiences(
  { annotations = {} }: AdmissionPod,
  { named }: Consumers,
): readonly string[] {
  return [...named.values()].flatMap(({ token, audienceAnnotation = '' }) => {
    if (token === undefined) return [];
    const other = ownValue(annotations, audienceAnnotation);
    return [`${token.name}=${typeof other === 'string' ? other : token.audience}`];
  });
}

/** `attributes` are those of the volume; without files there is nothing that variables could name. */
export function consumerVariables(
  pod: AdmissionPod,
  { named }: Consumers,
  { attributes, directory }: { attributes: JsonObject; directory: string },
): ConsumerVariables {
  const request = requestOf(attributes);
  if (request === undefined) return { variables: [], warnings: [], conflicts: [] };
  const variables: Variable[] = [];
  const warnings: string[] = [];
  for (const [name, consumer] of named) {
    const { token } = consumer;
    if (token !== undefined && !request.tokens.some((each) => each.name === token.name)) {
      warnings.push(`${FIELD}: ${name}: the volume asks for no file ${token.name}`);
      continue;
    }
    for (const variable of consumer.variables) {
      const value = valueOf(variable, { pod, consumer, request, directory });
      if (value !== undefined) variables.push({ name: variable.name, value });
      else if (isMissing(variable, pod.containers)) warnings.push(needs(name, variable));
    }
  }
  const conflicts = conflictsOf(pod.containers, named);
  const set = overridden(pod.containers, variables);
  return {
    variables,
    warnings: [...warnings, ...conflicts.map(({ warning }) => warning), ...set],
    conflicts: conflicts.map(({ text }) => text),
  };
}

function requestOf(attributes: JsonObject): FileRequest | undefined {
  const texts = Object.entries(attributes).filter(
    (pair): pair is [string, string] => typeof pair[1] === 'string',
  );
  try {
    return readFileRequest(Object.fromEntries(texts));
  } catch (thrown) {
    // Refused by validation, which names it.
    if (thrown instanceof CodedError) return undefined;
    throw thrown;
  }
}

type Source = {
  readonly pod: AdmissionPod;
  readonly consumer: Consumer;
  readonly request: FileRequest;
  readonly directory: string;
};

function valueOf({ from }: ConsumerVariable, source: Source): string | undefined {
  if ('value' in from) return from.value;
  if ('annotation' in from) {
    const value = ownValue(source.pod.annotations ?? {}, from.annotation);
    return typeof value === 'string' && value !== '' ? value : undefined;
  }
  const { consumer, request, directory } = source;
  const name = from.file === 'token' ? consumer.token?.name : request.names[from.file];
  return name === undefined ? undefined : `${directory}/${name}`;
}

// With `envFrom` nobody knows before the container starts.
function isMissing(
  { name, from }: ConsumerVariable,
  containers: readonly AdmissionContainer[],
): boolean {
  const isRequired = 'annotation' in from && from.required;
  return isRequired && !containers.some((each) => each.hasEnvFrom || isSet(each, name));
}

function needs(consumer: string, { name, from }: ConsumerVariable): string {
  const annotation = 'annotation' in from ? from.annotation : '';
  return `${FIELD}: ${consumer} needs ${name}: set annotation ${annotation}`;
}

function conflictsOf(
  containers: readonly AdmissionContainer[],
  named: ReadonlyMap<string, Consumer>,
) {
  return containers.flatMap((container) =>
    [...named].flatMap(([consumer, { conflicts }]) =>
      conflicts
        .filter((name) => isSet(container, name))
        .map((name) => ({
          text: `${name} in ${nameOf(container)}`,
          warning: `${envOf(container)}: ${name} is used for ${consumer} instead of the identity`,
        })),
    ),
  );
}

function overridden(
  containers: readonly AdmissionContainer[],
  variables: readonly Variable[],
): readonly string[] {
  return containers.flatMap((container) =>
    variables
      .filter(({ name, value }) =>
        container.env?.some(
          (each) => ownValue(each, 'name') === name && ownValue(each, 'value') !== value,
        ),
      )
      .map(({ name }) => `${envOf(container)}: ${name} is the author's, and stays`),
  );
}

function envOf({ path }: AdmissionContainer): string {
  return formatField([...path, 'env']);
}

function isSet({ env = [] }: AdmissionContainer, name: string): boolean {
  return env.some((variable) => ownValue(variable, 'name') === name);
}

function nameOf({ name }: AdmissionContainer): string {
  return typeof name === 'string' ? name : '';
}
