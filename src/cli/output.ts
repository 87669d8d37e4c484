// How commands print: columns for people, JSON or YAML for programs, from one value.

import { stringify } from 'yaml';
import type { FlagSpecs } from '../base/flags.ts';

export const OUTPUT_FLAG = {
  output: {
    type: 'choice',
    of: ['table', 'json', 'yaml'],
    short: 'o',
    default: 'table',
    help: 'how to print',
  },
} as const satisfies FlagSpecs;

export type OutputFormat = (typeof OUTPUT_FLAG)['output']['of'][number];

/** The value in the format that was asked for; `table` makes the text for people. */
export function formatOutput(format: OutputFormat, value: unknown, table: () => string): string {
  switch (format) {
    case 'table':
      return table();
    case 'json':
      return JSON.stringify(value, undefined, 2);
    case 'yaml':
      return stringify(JSON.parse(JSON.stringify(value)), {
        aliasDuplicateObjects: false,
      }).trimEnd();
  }
}
