// Go's Sprint and Sprintln.

import type { Budget } from '../budget.ts';
import { joinBytes } from '../value/go-string.ts';
import type { Value } from '../value/value.ts';
import { NO_FLAGS } from './flags.ts';
import { printArgument } from './print-value.ts';

/** Arguments in a row, a space between two that are no strings. */
export function sprint(args: readonly Value[], budget: Budget): string {
  return joinBytes(
    args.flatMap((arg, index) => {
      const before = args[index - 1];
      const hasSpace = before !== undefined && !isString(before) && !isString(arg);
      const text = printArgument(arg, 'v', NO_FLAGS);
      budget.spend(text);
      return hasSpace ? [' ', text] : [text];
    }),
  );
}

/** Arguments with a space between each two, and a newline. */
export function sprintln(args: readonly Value[], budget: Budget): string {
  const texts = args.map((arg) => {
    const text = printArgument(arg, 'v', NO_FLAGS);
    budget.spend(text);
    return text;
  });
  return joinBytes([texts.join(' '), '\n']);
}

function isString(of: Value): boolean {
  return of.type.kind === 'string';
}
