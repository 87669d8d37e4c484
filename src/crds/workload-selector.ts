// The form that workload selectors share, whatever their type.

import { invalid } from '../base/errors.ts';

/** Split at the first colon, both halves not empty (compatibility A5); throws `invalid-argument`. */
export function checkSelectorForm(selector: string): void {
  const colon = selector.indexOf(':');
  if (colon <= 0 || colon === selector.length - 1) {
    throw invalid(`selector ${JSON.stringify(selector.slice(0, 64))} must be type:value`);
  }
}
