// The parse tree. Offsets are those of the source, so that an error can show the words it is about.

import type { NumberConstant } from './number.ts';

export type Span = { readonly at: number; readonly end: number };

/** A space-separated word of a command. */
export type Operand = Span &
  (
    | { readonly kind: 'dot' }
    | { readonly kind: 'nil' }
    | { readonly kind: 'bool'; readonly value: boolean }
    | { readonly kind: 'number'; readonly value: NumberConstant }
    | { readonly kind: 'string'; readonly value: string }
    | { readonly kind: 'function'; readonly name: string }
    /** `.A.B`: fields of dot. */
    | { readonly kind: 'field'; readonly names: readonly string[] }
    /** `$x.A`: a variable and fields of it. */
    | { readonly kind: 'variable'; readonly name: string; readonly names: readonly string[] }
    | { readonly kind: 'pipe'; readonly pipe: Pipe }
    /** `(pipe).A` or `function.A`. */
    | { readonly kind: 'chain'; readonly of: Operand; readonly names: readonly string[] }
  );

export type Command = Span & { readonly words: readonly [Operand, ...Operand[]] };

export type Pipe = Span & {
  /** Variables set to the pipe's value; with `assigns` they exist already. */
  readonly variables: readonly string[];
  readonly assigns: boolean;
  readonly commands: readonly Command[];
};

export type Branch = { readonly pipe: Pipe; readonly body: readonly Statement[] };

export type Statement = Span &
  (
    | { readonly kind: 'text'; readonly text: string }
    | { readonly kind: 'action'; readonly pipe: Pipe }
    /** `else if` and `else with` are further branches. */
    | {
        readonly kind: 'if' | 'with';
        readonly branches: readonly Branch[];
        readonly otherwise: readonly Statement[];
      }
    | {
        readonly kind: 'range';
        readonly pipe: Pipe;
        readonly body: readonly Statement[];
        readonly otherwise: readonly Statement[];
      }
    | { readonly kind: 'template'; readonly name: string; readonly pipe: Pipe | undefined }
    | { readonly kind: 'break' }
    | { readonly kind: 'continue' }
  );

export type Parsed = {
  readonly root: readonly Statement[];
  readonly templates: ReadonlyMap<string, readonly Statement[]>;
};
