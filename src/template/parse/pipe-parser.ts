// Pipelines: `$v := command | command`, each command a row of operands.

import type { Command, Operand, Pipe } from './ast.ts';
import { unquoteString } from './literal.ts';
import { parseNumber } from './number.ts';
import type { Token, TokenKind } from './token.ts';
import type { TokenReader } from './token-reader.ts';

/** What a template may call. */
export const FUNCTION_NAMES: ReadonlySet<string> = new Set(
  'and call eq ge gt html index js le len lt ne not or print printf println slice urlquery'.split(
    ' ',
  ),
);

const OPERAND_KINDS: ReadonlySet<TokenKind> = new Set<TokenKind>([
  'bool',
  'char-constant',
  'dot',
  'field',
  'identifier',
  'left-paren',
  'nil',
  'number',
  'raw-string',
  'string',
  'variable',
]);
/** Literals, which take no fields and cannot be the second stage of a pipe. */
const LITERALS: ReadonlySet<string> = new Set(['bool', 'string', 'number', 'nil', 'dot']);

/** Names in sight; what declares them is the pipe, what ends them the caller. */
export type Scope = { variables: string[]; nesting: number };

/** Parentheses and blocks inside each other. */
export const MAX_NESTING = 32;

export class PipeParser {
  readonly #tokens: TokenReader;

  constructor(tokens: TokenReader) {
    this.#tokens = tokens;
  }

  /** A pipe up to and with the token `end`. */
  pipe(context: string, end: TokenKind, scope: Scope): Pipe {
    const { at } = this.#tokens.peekNonSpace();
    const { variables, assigns } = this.#variables(context, scope);
    const commands: Command[] = [];
    while (this.#tokens.accept(end) === undefined) {
      const token = this.#tokens.peekNonSpace();
      if (!OPERAND_KINDS.has(token.kind)) throw this.#tokens.unexpected(token, context);
      const command = this.#command(scope);
      if (commands.length > 0 && LITERALS.has(command.words[0].kind)) {
        const stage = commands.length + 1;
        throw this.#tokens.failure(`non executable command in pipeline stage ${stage}`, command.at);
      }
      commands.push(command);
    }
    if (commands.length === 0) throw this.#tokens.failure(`missing value for ${context}`, at);
    return { at, end: commands.at(-1)?.end ?? at, variables, assigns, commands };
  }

  #variables(context: string, scope: Scope): { variables: string[]; assigns: boolean } {
    const variables: string[] = [];
    for (;;) {
      const mark = this.#tokens.mark();
      const variable = this.#tokens.accept('variable');
      if (variable === undefined) return { variables, assigns: false };
      const next = this.#tokens.peekNonSpace();
      const isComma = next.kind === 'char' && next.text === ',';
      if (next.kind !== 'assign' && next.kind !== 'declare' && !isComma) {
        this.#tokens.reset(mark);
        return { variables, assigns: false };
      }
      this.#tokens.next();
      variables.push(variable.text);
      scope.variables.push(variable.text);
      if (!isComma) return { variables, assigns: next.kind === 'assign' };
      if (context !== 'range' || variables.length > 1) {
        throw this.#tokens.failure(`too many declarations in ${context}`, variable.at);
      }
      const { kind } = this.#tokens.peekNonSpace();
      if (kind !== 'variable' && kind !== 'right-delim' && kind !== 'right-paren') {
        throw this.#tokens.failure('range can only initialize variables');
      }
    }
  }

  #command(scope: Scope): Command {
    const words: Operand[] = [];
    for (;;) {
      this.#tokens.peekNonSpace();
      const operand = this.#operand(scope);
      if (operand !== undefined) words.push(operand);
      const token = this.#tokens.next();
      if (token.kind === 'space') continue;
      if (token.kind === 'pipe') break;
      this.#tokens.reset(this.#tokens.mark() - 1);
      if (token.kind === 'right-delim' || token.kind === 'right-paren') break;
      throw this.#tokens.unexpected(token, 'operand');
    }
    const [first, ...rest] = words;
    if (first === undefined) throw this.#tokens.failure('empty command');
    return { at: first.at, end: (rest.at(-1) ?? first).end, words: [first, ...rest] };
  }

  /** A term and the fields written at it; undefined when no term is next. */
  #operand(scope: Scope): Operand | undefined {
    const term = this.#term(scope);
    if (term === undefined || this.#tokens.peek().kind !== 'field') return term;
    if (LITERALS.has(term.kind)) throw this.#tokens.failure('unexpected . after a literal');
    const names: string[] = [];
    while (this.#tokens.peek().kind === 'field') names.push(this.#tokens.next().text.slice(1));
    const end = this.#tokens.end;
    if (term.kind === 'field' || term.kind === 'variable') {
      return { ...term, end, names: [...term.names, ...names] };
    }
    return { kind: 'chain', at: term.at, end, of: term, names };
  }

  #term(scope: Scope): Operand | undefined {
    const token = this.#tokens.peekNonSpace();
    if (!OPERAND_KINDS.has(token.kind)) return undefined;
    this.#tokens.next();
    const span = { at: token.at, end: token.at + token.text.length };
    if (token.kind === 'left-paren') return this.#parenthesized(token, scope);
    if (token.kind === 'dot') return { ...span, kind: 'dot' };
    if (token.kind === 'nil') return { ...span, kind: 'nil' };
    if (token.kind === 'bool') return { ...span, kind: 'bool', value: token.text === 'true' };
    if (token.kind === 'field') return { ...span, kind: 'field', names: [token.text.slice(1)] };
    if (token.kind === 'variable') {
      if (scope.variables.includes(token.text)) {
        return { ...span, kind: 'variable', name: token.text, names: [] };
      }
      throw this.#tokens.failure(`undefined variable "${token.text}"`, token.at);
    }
    if (token.kind === 'identifier') {
      if (FUNCTION_NAMES.has(token.text)) return { ...span, kind: 'function', name: token.text };
      throw this.#tokens.failure(`function "${token.text}" not defined`, token.at);
    }
    if (token.kind === 'number' || token.kind === 'char-constant') {
      const value = parseNumber(token.text);
      if (typeof value === 'string') throw this.#tokens.failure(value, token.at);
      return { ...span, kind: 'number', value };
    }
    return { ...span, kind: 'string', value: this.string(token) };
  }

  /** The value of a string or raw string token. */
  string(token: Token): string {
    const value = unquoteString(token.text);
    if (value === undefined) throw this.#tokens.failure('invalid syntax in string', token.at);
    return value;
  }

  #parenthesized(open: Token, scope: Scope): Operand {
    if (scope.nesting >= MAX_NESTING) {
      throw this.#tokens.failure(`parentheses nest deeper than ${MAX_NESTING}`, open.at);
    }
    scope.nesting += 1;
    const pipe = this.pipe('parenthesized pipeline', 'right-paren', scope);
    scope.nesting -= 1;
    return { kind: 'pipe', at: open.at, end: this.#tokens.end, pipe };
  }
}
