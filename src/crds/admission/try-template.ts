// Tries a template on the sample pod and says how sure the result is: what the operator wrote is
// the same for every pod, what a pod's author or a condition decides is not.

import { CodedError } from '../../base/errors.ts';
import { parseWorkloadSpiffeId } from '../../spiffe/spiffe-id.ts';
import type { Run, Template } from '../../template/template.ts';
import type { Findings } from './findings.ts';
import { type AdmissionSettings, sampleData } from './sample.ts';

export type Attempt = {
  readonly text: string;
  readonly runs: readonly Run[];
  /** Whether the text has nothing in it that other pods could have otherwise. */
  readonly isCertain: boolean;
  readonly hasChoice: boolean;
};

const CHOICE = /\{\{-?\s*(?:if|with|range|template|block|else)\b/;
const NO_VALUE = '<no value>';
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
    const isCertain = !hasChoice && runs.every(isFixed);
    if (!text.includes(NO_VALUE)) return { text, runs, isCertain, hasChoice };
    findings.warn(field, 'a value that it reads is missing in a sample pod');
  } catch (thrown) {
    const { code, message: full } = CodedError.from(thrown);
    if (code !== 'invalid-argument') throw thrown;
    const message = full.slice(
      full.startsWith(`${template.name}: `) ? template.name.length + 2 : 0,
    );
    if (OF_DATA.test(message)) findings.warn(field, `${message} (tried on a sample pod)`);
    else findings.error(field, message);
  }
  return undefined;
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
  const at = runs.findIndex((run) => !isFixed(run));
  const before = (at === -1 ? runs : runs.slice(0, at)).map((run) => run.text).join('');
  const isAnchored = at === -1 || /^[^/]*\/\/[^/]*\//.test(before);
  const isCertain = !hasChoice && isAnchored;
  const tried = isCertain ? neutral : text;
  findings.check(field, () => parseWorkloadSpiffeId(tried, settings.trustDomain), isCertain);
}

function isFixed({ from, chosenBy }: Run): boolean {
  return (from === 'operator' || from === 'api') && chosenBy === undefined;
}
