// Template source to tokens, with the rules of Go's text/template: delimiters, trim markers,
// comments, and which characters may end a word.

import { KEYWORDS, type Token, type TokenKind } from './token.ts';

const SPACES = /[ \t\r\n]*/y;
const LEFT_TRIM = /-[ \t\r\n]/y;
const RIGHT_DELIM = /(?:[ \t\r\n]-)?\}\}/y;
const WORD = /[\p{L}\p{Nd}_]*/uy;
const NUMBER =
  /[+-]?(?:0[xX][\da-fA-F_]*(?:\.[\da-fA-F_]*)?(?:[pP][+-]?[\d_]*)?|0[oO][0-7_]*(?:\.[0-7_]*)?|0[bB][01_]*(?:\.[01_]*)?|[\d_]*(?:\.[\d_]*)?(?:[eE][+-]?[\d_]*)?)i?/y;
const QUOTED = /"(?:[^"\\\n]|\\[^\n])*"/uy;
const RAW = /`[^`]*`/y;
const CHAR_CONSTANT = /'(?:[^'\\\n]|\\[^\n])*'/uy;
const SIMPLE: ReadonlyMap<string, TokenKind> = new Map<string, TokenKind>([
  ['=', 'assign'],
  ['|', 'pipe'],
  ['(', 'left-paren'],
  [')', 'right-paren'],
]);

/** A failure at an offset of the source; the caller turns the offset into a line. */
export type Fail = (at: number, message: string) => Error;

/** The tokens of `source`, the last one `eof`. Throws what `fail` makes. */
export function lex(source: string, fail: Fail): readonly Token[] {
  return new Lexer(source, fail).run();
}

class Lexer {
  readonly #source: string;
  readonly #fail: Fail;
  readonly #tokens: Token[] = [];
  #at = 0;

  constructor(source: string, fail: Fail) {
    this.#source = source;
    this.#fail = fail;
  }

  run(): readonly Token[] {
    while (this.#text()) {
      if (!this.#comment()) this.#action();
    }
    this.#tokens.push({ kind: 'eof', text: '', at: this.#at });
    return this.#tokens;
  }

  /** Text up to the next left delimiter; false when there is none. */
  #text(): boolean {
    const open = this.#source.indexOf('{{', this.#at);
    const end = open < 0 ? this.#source.length : open;
    let text = this.#source.slice(this.#at, end);
    if (open >= 0 && this.#matches(LEFT_TRIM, open + 2)) text = trimEnd(text);
    if (text !== '') this.#tokens.push({ kind: 'text', text, at: this.#at });
    this.#at = end;
    return open >= 0;
  }

  /** A comment fills its delimiters and leaves no token. */
  #comment(): boolean {
    const inner = this.#at + (this.#matches(LEFT_TRIM, this.#at + 2) ? 4 : 2);
    if (!this.#source.startsWith('/*', inner)) return false;
    const close = this.#source.indexOf('*/', inner + 2);
    if (close < 0) throw this.#fail(this.#at, 'unclosed comment');
    const delim = this.#match(RIGHT_DELIM, close + 2);
    if (delim === '') throw this.#fail(this.#at, 'comment ends before closing delimiter');
    this.#at = close + 2;
    this.#rightDelim(delim);
    return true;
  }

  #action(): void {
    const open = this.#at;
    this.#emit('left-delim', this.#matches(LEFT_TRIM, open + 2) ? 4 : 2);
    let parens = 0;
    for (;;) {
      const delim = this.#match(RIGHT_DELIM, this.#at);
      if (delim !== '') {
        if (parens > 0) throw this.#fail(this.#at, 'unclosed left paren');
        this.#tokens.push({ kind: 'right-delim', text: delim, at: this.#at });
        this.#rightDelim(delim);
        return;
      }
      if (this.#at >= this.#source.length) throw this.#fail(open, 'unclosed action');
      const kind = this.#token();
      if (kind === 'left-paren') parens += 1;
      if (kind === 'right-paren') parens -= 1;
      if (parens < 0) throw this.#fail(this.#at - 1, 'unexpected right paren');
    }
  }

  #rightDelim(delim: string): void {
    this.#at += delim.length;
    if (delim.length > 2) this.#at += this.#match(SPACES, this.#at).length;
  }

  #token(): TokenKind {
    const at = this.#at;
    const char = this.#source.charAt(at);
    const simple = SIMPLE.get(char);
    if (simple !== undefined) return this.#emit(simple, 1);
    const spaces = this.#spaces();
    if (spaces > 0) return this.#emit('space', spaces);
    if (char === ':') {
      if (this.#source.charAt(at + 1) !== '=') throw this.#fail(at, 'expected :=');
      return this.#emit('declare', 2);
    }
    if (char === '"') return this.#quoted('string', QUOTED);
    if (char === '`') return this.#quoted('raw-string', RAW);
    if (char === "'") return this.#quoted('char-constant', CHAR_CONSTANT);
    if (char === '$') return this.#word('variable', 1);
    if (char === '.' && !/\d/.test(this.#source.charAt(at + 1))) return this.#word('field', 1);
    if (/[+\-.\d]/.test(char)) return this.#number();
    if (this.#match(WORD, at) !== '') return this.#word('identifier', 0);
    if (char >= ' ' && char <= '~') return this.#emit('char', 1);
    throw this.#fail(at, `unexpected character ${JSON.stringify(char)} in action`);
  }

  /** Length of a run of spaces; the one before a trim marker and right delimiter is not in it. */
  #spaces(): number {
    const length = this.#match(SPACES, this.#at).length;
    return length > 0 && this.#matches(RIGHT_DELIM, this.#at + length - 1) ? length - 1 : length;
  }

  #word(kind: 'variable' | 'field' | 'identifier', prefix: number): TokenKind {
    const word = this.#match(WORD, this.#at + prefix);
    this.#checkTerminator(this.#at + prefix + word.length);
    if (kind === 'field' && word === '') return this.#emit('dot', 1);
    const length = prefix + word.length;
    if (kind !== 'identifier') return this.#emit(kind, length);
    if (KEYWORDS.has(word)) return this.#emit('keyword', length);
    if (word === 'nil') return this.#emit('nil', length);
    return this.#emit(word === 'true' || word === 'false' ? 'bool' : 'identifier', length);
  }

  #number(): TokenKind {
    const text = this.#match(NUMBER, this.#at);
    const end = this.#at + text.length;
    const next = this.#source.charAt(end);
    if (next === '+' || next === '-') {
      throw this.#fail(this.#at, `bad number "${text}${next}": complex constants are refused`);
    }
    if (this.#match(WORD, end) !== '') throw this.#fail(this.#at, `bad number syntax "${text}"`);
    return this.#emit('number', text.length);
  }

  #quoted(kind: 'string' | 'raw-string' | 'char-constant', pattern: RegExp): TokenKind {
    const text = this.#match(pattern, this.#at);
    if (text === '') throw this.#fail(this.#at, `unterminated ${kind.replace('-', ' ')}`);
    return this.#emit(kind, text.length);
  }

  #checkTerminator(at: number): void {
    const next = this.#source.charAt(at);
    if (next === '' || ' \t\r\n.,|:)('.includes(next) || this.#source.startsWith('}}', at)) return;
    throw this.#fail(at, `bad character ${JSON.stringify(next)}`);
  }

  #emit(kind: TokenKind, length: number): TokenKind {
    const text = this.#source.slice(this.#at, this.#at + length);
    this.#tokens.push({ kind, text, at: this.#at });
    this.#at += length;
    return kind;
  }

  #match(pattern: RegExp, at: number): string {
    pattern.lastIndex = at;
    return pattern.exec(this.#source)?.[0] ?? '';
  }

  #matches(pattern: RegExp, at: number): boolean {
    pattern.lastIndex = at;
    return pattern.test(this.#source);
  }
}

/** Without the spaces that a trim marker eats; a regular expression would take quadratic time. */
function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && ' \t\r\n'.includes(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}
