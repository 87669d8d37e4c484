// Configuration is flags, nothing else: manifests expand `$(NODE_NAME)` into flags, so no code
// reads the environment. A command declares its flags once; parsing, defaults, types and the
// --help text all come from that declaration.

import { parseArgs } from 'node:util';
import { parseDurationNs } from './duration.ts';
import { CodedError, invalid } from './errors.ts';

type FlagBase = { readonly help: string; readonly value?: string };
export type FlagSpec =
  | (FlagBase & { readonly type: 'string'; readonly default?: string; readonly short?: string })
  | (FlagBase & {
      readonly type: 'strings';
      readonly short?: string;
      /** Takes all words up to the next flag, so that a shell's `-f *.yaml` works. */
      readonly spreads?: boolean;
    })
  | (FlagBase & { readonly type: 'boolean' })
  | (FlagBase & { readonly type: 'integer'; readonly default: number; readonly min?: number })
  | (FlagBase & { readonly type: 'duration'; readonly default: string })
  | (FlagBase & {
      readonly type: 'choice';
      readonly short?: string;
      readonly of: readonly string[];
      readonly default: string;
    });

export type FlagSpecs = { readonly [name: string]: FlagSpec };

type FlagValue<S extends FlagSpec> = S extends { type: 'string' }
  ? S extends { default: string }
    ? string
    : string | undefined
  : S extends { type: 'strings' }
    ? readonly string[]
    : S extends { type: 'boolean' }
      ? boolean
      : S extends { type: 'choice'; of: readonly (infer O)[] }
        ? O
        : number;

/** Parsed flags; durations are milliseconds. */
export type Flags<S extends FlagSpecs> = { readonly [K in keyof S]: FlagValue<S[K]> };

/**
 * Parses `args` by `specs`. Unknown flags, missing values and values of the wrong type throw
 * `invalid-argument` naming the flag.
 */
export function parseFlags<const S extends FlagSpecs>(
  args: readonly string[],
  specs: S,
): { flags: Flags<S>; positionals: readonly string[] } {
  const options: Record<string, { type: 'string' | 'boolean'; multiple: boolean; short?: string }> =
    {};
  for (const [name, spec] of Object.entries(specs)) {
    options[name] = {
      type: spec.type === 'boolean' ? 'boolean' : 'string',
      multiple: spec.type === 'strings',
      ...('short' in spec && spec.short !== undefined ? { short: spec.short } : {}),
    };
  }
  const parsed = readArgs(spreadValues(args, specs), options);
  const values = new Map<string, unknown>(Object.entries(parsed.values));
  const flags: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(specs)) {
    flags[name] = flagValue(name, spec, values.get(name));
  }
  return { flags: flags as Flags<S>, positionals: parsed.positionals };
}

/** The `--help` text of a command: usage line, then a line a flag. */
export function flagsHelp(usage: string, specs: FlagSpecs): string {
  const rows = Object.entries(specs).map(([name, spec]) => {
    const value = spec.type === 'boolean' ? '' : ` ${spec.value ?? valueName(spec)}`;
    const short = 'short' in spec && spec.short !== undefined ? `-${spec.short}, ` : '';
    const preset = 'default' in spec && spec.default !== undefined ? ` (${spec.default})` : '';
    return { left: `  ${short}--${name}${value}`, right: `${spec.help}${preset}` };
  });
  const width = Math.max(...rows.map((row) => row.left.length)) + 2;
  return [usage, '', ...rows.map((row) => row.left.padEnd(width) + row.right), ''].join('\n');
}

function valueName(spec: FlagSpec): string {
  return spec.type === 'choice' ? spec.of.join('|') : spec.type.toUpperCase();
}

function spreadValues(args: readonly string[], specs: FlagSpecs): readonly string[] {
  const spreading = Object.entries(specs).flatMap(([name, spec]) =>
    spec.type === 'strings' && spec.spreads === true
      ? [`--${name}`, ...(spec.short === undefined ? [] : [`-${spec.short}`])]
      : [],
  );
  let current: string | undefined;
  let isFirst = false;
  return args.flatMap((arg) => {
    if (arg.startsWith('-')) {
      current = spreading.includes(arg) ? arg : undefined;
      isFirst = true;
      return [arg];
    }
    if (current === undefined || isFirst) {
      isFirst = false;
      return [arg];
    }
    return [current, arg];
  });
}

function readArgs(
  args: readonly string[],
  options: Record<string, { type: 'string' | 'boolean'; multiple: boolean }>,
) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (thrown) {
    // The first sentence says what is wrong; the others are about a syntax that nobody asked for.
    const [message = ''] = CodedError.from(thrown).message.split('. ');
    throw invalid(message, thrown);
  }
}

function flagValue(name: string, spec: FlagSpec, given: unknown): unknown {
  const text = typeof given === 'string' ? given : undefined;
  switch (spec.type) {
    case 'boolean':
      return given === true;
    case 'strings':
      return given ?? [];
    case 'string':
      return text ?? spec.default;
    case 'choice':
      return choice(name, spec.of, text ?? spec.default);
    case 'integer':
      return integer(name, spec.min ?? 0, text ?? String(spec.default));
    case 'duration':
      return Number(parseDurationNs(text ?? spec.default, `--${name}`) / 1_000_000n);
  }
}

function choice(name: string, of: readonly string[], given: string): string {
  if (of.includes(given)) return given;
  throw invalid(`--${name}: "${given}" is not one of ${of.join(', ')}`);
}

function integer(name: string, min: number, given: string): number {
  const value = Number(given);
  if (/^\d+$/.test(given) && Number.isSafeInteger(value) && value >= min) return value;
  throw invalid(`--${name}: "${given}" is not a whole number of at least ${min}`);
}
