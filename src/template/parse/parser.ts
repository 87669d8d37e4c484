// Template source to parse tree, with the grammar of Go's text/template. Everything Go refuses at
// parse is refused here; sizes are bounded so that no source can exhaust the stack.

import { invalid } from '../../base/errors.ts';
import type { Branch, Parsed, Pipe, Statement } from './ast.ts';
import { lex } from './lexer.ts';
import { MAX_NESTING, PipeParser, type Scope } from './pipe-parser.ts';
import type { Token } from './token.ts';
import { TokenReader } from './token-reader.ts';

/** UTF-16 units of a template's source. */
export const MAX_SOURCE_LENGTH = 64 * 1024;

/** UTF-16 units of a message, which may quote the source. */
const MAX_MESSAGE = 200;

/** Line of an offset, from 1. */
export function lineOf(source: string, at: number): number {
  return source.slice(0, at).split('\n').length;
}

/** Throws `invalid-argument` naming the template and the line. */
export function parse(name: string, source: string): Parsed {
  const fail = (at: number, message: string) =>
    invalid(`${name}: line ${lineOf(source, at)}: ${message.slice(0, MAX_MESSAGE).toWellFormed()}`);
  if (source.length > MAX_SOURCE_LENGTH) {
    throw fail(0, `the template is longer than ${MAX_SOURCE_LENGTH} characters`);
  }
  return new Parser(new TokenReader(lex(source, fail), fail)).run(name);
}

type List = { readonly body: readonly Statement[]; readonly closedBy: 'end' | 'else' };

class Parser {
  readonly #tokens: TokenReader;
  readonly #pipes: PipeParser;
  readonly #templates = new Map<string, readonly Statement[]>();

  constructor(tokens: TokenReader) {
    this.#tokens = tokens;
    this.#pipes = new PipeParser(tokens);
  }

  run(name: string): Parsed {
    const scope = newScope(0);
    const root: Statement[] = [];
    while (this.#tokens.peek().kind !== 'eof') {
      const mark = this.#tokens.mark();
      if (this.#tokens.accept('left-delim') && this.#tokens.accept('keyword', 'define')) {
        this.#define();
        continue;
      }
      this.#tokens.reset(mark);
      const statement = this.#statement(scope);
      if (statement === 'end' || statement === 'else') {
        throw this.#tokens.failure(`unexpected {{${statement}}}`);
      }
      root.push(statement);
    }
    this.#add(name, root);
    return { root: this.#templates.get(name) ?? root, templates: this.#templates };
  }

  #define(): void {
    const name = this.#name('define clause');
    this.#tokens.expect('right-delim', 'define clause');
    this.#add(name, this.#untilEnd(newScope(0), 'define clause'));
  }

  /** A definition replaces only one that is empty but for space and comments. */
  #add(name: string, body: readonly Statement[]): void {
    const known = this.#templates.get(name);
    if (known === undefined || isEmpty(known)) this.#templates.set(name, body);
    else if (!isEmpty(body)) {
      throw this.#tokens.failure(`multiple definition of template "${name}"`);
    }
  }

  #statement(scope: InTemplate): Statement | 'end' | 'else' {
    const token = this.#tokens.nextNonSpace();
    if (token.kind === 'text') return { ...span(token), kind: 'text', text: token.text };
    if (token.kind !== 'left-delim') throw this.#tokens.unexpected(token, 'input');
    const keyword = this.#tokens.accept('keyword');
    if (keyword === undefined) {
      const pipe = this.#pipes.pipe('command', 'right-delim', scope);
      return { at: pipe.at, end: pipe.end, kind: 'action', pipe };
    }
    switch (keyword.text) {
      case 'if':
      case 'with':
        return this.#branches(keyword, scope);
      case 'range':
        return this.#range(keyword, scope);
      case 'template':
        return this.#template(keyword, scope);
      case 'block':
        return this.#block(keyword, scope);
      case 'break':
      case 'continue':
        this.#tokens.expect('right-delim', `{{${keyword.text}}}`);
        if (scope.ranges > 0) return { ...span(keyword), kind: keyword.text };
        throw this.#tokens.failure(`{{${keyword.text}}} outside {{range}}`, keyword.at);
      case 'end':
        this.#tokens.expect('right-delim', 'end');
        return 'end';
      case 'else':
        return this.#else();
      default:
        throw this.#tokens.unexpected(keyword, 'command');
    }
  }

  /** After `else`, an `if` or `with` is left for the caller to take. */
  #else(): 'else' {
    const { kind, text } = this.#tokens.peekNonSpace();
    if (kind !== 'keyword' || (text !== 'if' && text !== 'with')) {
      this.#tokens.expect('right-delim', 'else');
    }
    return 'else';
  }

  #branches(keyword: Token, scope: InTemplate): Statement {
    const kind = keyword.text === 'if' ? 'if' : 'with';
    return this.#nested(keyword, scope, () => {
      const branches: Branch[] = [];
      for (;;) {
        const pipe = this.#pipes.pipe(kind, 'right-delim', scope);
        const { body, closedBy } = this.#list(scope);
        branches.push({ pipe, body });
        const head = { ...span(keyword), kind, branches } as const;
        if (closedBy === 'end') return { ...head, otherwise: [] };
        if (this.#tokens.accept('keyword', kind) === undefined) {
          return { ...head, otherwise: this.#untilEnd(scope, kind) };
        }
      }
    });
  }

  #range(keyword: Token, scope: InTemplate): Statement {
    return this.#nested(keyword, scope, () => {
      const pipe = this.#pipes.pipe('range', 'right-delim', scope);
      scope.ranges += 1;
      const { body, closedBy } = this.#list(scope);
      scope.ranges -= 1;
      const otherwise = closedBy === 'end' ? [] : this.#untilEnd(scope, 'range');
      return { ...span(keyword), kind: 'range', pipe, body, otherwise };
    });
  }

  #template(keyword: Token, scope: InTemplate): Statement {
    const name = this.#name('template clause');
    let pipe: Pipe | undefined;
    if (this.#tokens.accept('right-delim') === undefined) {
      pipe = this.#pipes.pipe('template clause', 'right-delim', scope);
    }
    return { ...span(keyword), kind: 'template', name, pipe };
  }

  /** A block is a definition and a call of it. */
  #block(keyword: Token, scope: InTemplate): Statement {
    const name = this.#name('block clause');
    const pipe = this.#pipes.pipe('block clause', 'right-delim', scope);
    return this.#nested(keyword, scope, () => {
      this.#add(name, this.#untilEnd(newScope(scope.nesting), 'block clause'));
      return { ...span(keyword), kind: 'template', name, pipe };
    });
  }

  #name(context: string): string {
    const token = this.#tokens.nextNonSpace();
    if (token.kind === 'string' || token.kind === 'raw-string') return this.#pipes.string(token);
    throw this.#tokens.unexpected(token, context);
  }

  /** Statements up to and with the `end` or `else` that closes them. */
  #list(scope: InTemplate): List {
    const body: Statement[] = [];
    while (this.#tokens.peekNonSpace().kind !== 'eof') {
      const statement = this.#statement(scope);
      if (statement === 'end' || statement === 'else') return { body, closedBy: statement };
      body.push(statement);
    }
    throw this.#tokens.failure('unexpected end of template');
  }

  #untilEnd(scope: InTemplate, context: string): readonly Statement[] {
    const { body, closedBy } = this.#list(scope);
    if (closedBy === 'end') return body;
    throw this.#tokens.failure(`unexpected {{else}} in ${context}`);
  }

  /** A block of its own: its variables end with it, and it counts as one level. */
  #nested(keyword: Token, scope: InTemplate, read: () => Statement): Statement {
    if (scope.nesting >= MAX_NESTING) {
      throw this.#tokens.failure(`blocks nest deeper than ${MAX_NESTING}`, keyword.at);
    }
    scope.nesting += 1;
    const variables = scope.variables.length;
    const statement = read();
    scope.variables.length = variables;
    scope.nesting -= 1;
    return statement;
  }
}

type InTemplate = Scope & { ranges: number };

function newScope(nesting: number): InTemplate {
  return { variables: ['$'], nesting, ranges: 0 };
}

function span(token: Token): { at: number; end: number } {
  return { at: token.at, end: token.at + token.text.length };
}

function isEmpty(body: readonly Statement[]): boolean {
  return body.every((statement) => statement.kind === 'text' && statement.text.trim() === '');
}
