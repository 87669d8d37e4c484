// Tries a template on the sample pod and says how sure the result is: what the operator wrote is
// the same for every pod, what a pod's author or a condition decides is not.

import { CodedError } from '../../base/errors.ts';
import { parseWorkloadSpiffeId } from '../../spiffe/spiffe-id.ts';
import type { Run, Template } from '../../template/template.ts';
import type { Findings } from './findings.ts';
import { type AdmissionSettings, bareData, sampleData } from './sample.ts';

export type Attempt = {
  readonly text: string;
  readonly runs: readonly Run[];
  /** Whether the text has nothing in it that other pods could have otherwise. */
  readonly isCertain: boolean;
  readonly hasChoice: boolean;
};

const CHOICE = /\{\{-?\s*(?:if|with|range|template|block|else)\b/;
const NO_VALUE = '<no value>';
/** Failures of whatever pod gets there. */
const OF_TEXT = /no field or method|is not defined|wrong number of arguments/;
/** Failures that another pod need not have: a list too short, a part that is not set. */
const OF_DATA = /\bnil\b|out of range|slice index|no value|UTF-8|more than/;

/** Undefined when it fails, which is then among the findings. */
export function tryTemplate(
  template: Template,
  { field, settings, findings }: TryOptions,
): Attempt | undefined {
  try {
    const runs = template.trace(sampleData(settings, template.source));
    const text = runs.map((run) => run.text).join('');
    const hasChoice = CHOICE.test(template.source);
    const isCertain = !hasChoice && runs.every(isOperator);
    if (hasChoice) tryOtherWay(template, { field, settings, findings });
    if (!text.includes(NO_VALUE)) return { text, runs, isCertain, hasChoice };
    findings.warn(field, 'a value that it reads is missing in a sample pod');
  } catch (thrown) {
    const message = failureOf(template, thrown);
    if (OF_DATA.test(message)) findings.warn(field, `${message} (tried on a sample pod)`);
    else findings.error(field, message);
  }
  return undefined;
}

// A way that the sample pod does not take may be meant to fail, so this never refuses.
function tryOtherWay(template: Template, { field, settings, findings }: TryOptions): void {
  try {
    template.render(bareData(settings));
  } catch (thrown) {
    const message = failureOf(template, thrown);
    if (OF_TEXT.test(message)) findings.warn(field, `${message} (tried on a bare pod)`);
  }
}

function failureOf(template: Template, thrown: unknown): string {
  const { code, message } = CodedError.from(thrown);
  if (code !== 'invalid-argument') throw thrown;
  const prefix = `${template.name}: `;
  return message.startsWith(prefix) ? message.slice(prefix.length) : message;
}

export type TryOptions = {
  readonly field: string;
  readonly settings: AdmissionSettings;
  readonly findings: Findings;
};

/** Tries the template of a SPIFFE ID; what is sure to be no ID of a workload here is an error. */
export function tryIdTemplate(template: Template, options: TryOptions): void {
  const { field, settings, findings } = options;
  const attempt = tryTemplate(template, options);
  if (attempt === undefined) return;
  const { runs, hasChoice, text } = attempt;
  // Bytes of a pod's author stand for any segment; then what is wrong is wrong for every pod,
  // unless they reach into scheme or trust domain.
  const neutral = runs.map((run) => (isFixed(run) ? run.text : 'x')).join('');
  const open = runs.findIndex((run) => !isOperator(run));
  const before = (open === -1 ? runs : runs.slice(0, open)).map((run) => run.text).join('');
  const isCertain = !hasChoice && (open === -1 || /^[^/]*\/\/[^/]*\//.test(before));
  const parse = (id: string) => () => parseWorkloadSpiffeId(id, settings.trustDomain);
  if (isCertain && !findings.check(field, parse(neutral))) return;
  findings.check(field, parse(text), false);
}

function isFixed({ from, chosenBy }: Run): boolean {
  return (from === 'operator' || from === 'api') && chosenBy === undefined;
}

// Namespaces and UIDs are nobody's to forge, but differ from pod to pod.
function isOperator({ from, chosenBy }: Run): boolean {
  return from === 'operator' && chosenBy === undefined;
}
