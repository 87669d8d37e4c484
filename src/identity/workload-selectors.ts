// Workload selectors that a pod object decides. Upstream's agent evaluates them per process; here
// the whole pod either has an identity or not, so only what holds for the whole pod counts, and
// what cannot be proven is never guessed.

import { type JsonObject, ownValue } from '../template/json-value.ts';
import { type PodObject, textIn } from './objects.ts';

/** `undecidable`: about a container, a process, or of a type that is not known here. */
export type SelectorVerdict = 'holds' | 'fails' | 'undecidable';

export type SelectorSubject = { readonly pod: PodObject; readonly namespaceLabels: JsonObject };

/** Whether all selectors hold; one that fails decides, whatever the others are. */
export function judgeSelectors(
  selectors: readonly string[],
  subject: SelectorSubject,
): SelectorVerdict {
  let all: SelectorVerdict = 'holds';
  for (const selector of selectors) {
    const verdict = judge(selector, subject);
    if (verdict === 'fails') return verdict;
    if (verdict === 'undecidable') all = verdict;
  }
  return all;
}

/** The first selector that does not hold, for explanations. */
export function firstNotHolding(
  selectors: readonly string[],
  subject: SelectorSubject,
): string | undefined {
  const verdicts = selectors.map((selector) => judge(selector, subject));
  const failing = verdicts.indexOf('fails');
  return selectors[failing === -1 ? verdicts.indexOf('undecidable') : failing];
}

/** Whether selectors of this type and name are ever decided by a pod. */
export function isDecidable(selector: string): boolean {
  const [type, name] = splitTwice(selector);
  return type === 'k8s' && DECIDERS.has(name);
}

function judge(selector: string, subject: SelectorSubject): SelectorVerdict {
  const [type, name, value] = splitTwice(selector);
  const decide = type === 'k8s' ? DECIDERS.get(name) : undefined;
  return decide === undefined ? 'undecidable' : decide(value, subject);
}

type Decider = (value: string, subject: SelectorSubject) => SelectorVerdict;

const DECIDERS: ReadonlyMap<string, Decider> = new Map<string, Decider>([
  ['ns', (value, { pod }) => equals(value, pod.namespace)],
  ['sa', (value, { pod }) => equals(value, pod.serviceAccount)],
  ['pod-name', (value, { pod }) => equals(value, pod.name)],
  ['pod-uid', (value, { pod }) => equals(value, pod.uid)],
  ['node-name', (value, { pod }) => equals(value, pod.nodeName)],
  ['pod-label', (value, { pod }) => hasLabel(value, pod.labels)],
  ['ns-label', (value, { namespaceLabels }) => hasLabel(value, namespaceLabels)],
  [
    'pod-owner',
    (value, { pod }) => hasOwner(pod, (owner) => `${owner.kind}:${owner.name}` === value),
  ],
  [
    'pod-owner-uid',
    (value, { pod }) => hasOwner(pod, (owner) => `${owner.kind}:${owner.uid}` === value),
  ],
  ['pod-image', (value, { pod }) => hasImage(value, pod, 'containers')],
  ['pod-init-image', (value, { pod }) => hasImage(value, pod, 'initContainers')],
  [
    'pod-image-count',
    (value, { pod }) => equals(value, String(containers(pod, 'containers').length)),
  ],
  [
    'pod-init-image-count',
    (value, { pod }) => equals(value, String(containers(pod, 'initContainers').length)),
  ],
]);

function equals(value: string, actual: string): SelectorVerdict {
  return value === actual ? 'holds' : 'fails';
}

function hasLabel(pair: string, labels: JsonObject): SelectorVerdict {
  const colon = pair.indexOf(':');
  // Without a colon it is none of the selectors that an agent makes, an empty value included.
  if (colon === -1) return 'fails';
  return ownValue(labels, pair.slice(0, colon)) === pair.slice(colon + 1) ? 'holds' : 'fails';
}

function hasOwner(
  pod: PodObject,
  is: (owner: PodObject['owners'][number]) => boolean,
): SelectorVerdict {
  return pod.owners.some(is) ? 'holds' : 'fails';
}

// Upstream also compares image ids that only the node reports, so an image that the spec does not
// name is not disproven.
function hasImage(
  image: string,
  pod: PodObject,
  field: 'containers' | 'initContainers',
): SelectorVerdict {
  const named = containers(pod, field).some((container) => textIn(container, 'image') === image);
  return named ? 'holds' : 'undecidable';
}

function containers(pod: PodObject, field: 'containers' | 'initContainers'): readonly JsonObject[] {
  const list = ownValue(pod.spec, field);
  return Array.isArray(list) ? (list as readonly JsonObject[]) : [];
}

/** Type, name and value of a selector; '' for what it does not have. */
export function splitTwice(selector: string): [string, string, string] {
  const first = selector.indexOf(':');
  const second = selector.indexOf(':', first + 1);
  if (second === -1) return [selector.slice(0, first), selector.slice(first + 1), ''];
  return [selector.slice(0, first), selector.slice(first + 1, second), selector.slice(second + 1)];
}
