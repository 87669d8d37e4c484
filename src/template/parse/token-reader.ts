// The parser's view of the tokens: a cursor that may look ahead and go back.

import type { Fail } from './lexer.ts';
import type { Token, TokenKind } from './token.ts';

export class TokenReader {
  readonly #tokens: readonly Token[];
  readonly #fail: Fail;
  #next = 0;

  constructor(tokens: readonly Token[], fail: Fail) {
    this.#tokens = tokens;
    this.#fail = fail;
  }

  /** The next token as it is; `eof` for ever after the last one. */
  peek(): Token {
    const token = this.#tokens[Math.min(this.#next, this.#tokens.length - 1)];
    if (token === undefined) throw new TypeError('the lexer gave no eof');
    return token;
  }

  next(): Token {
    const token = this.peek();
    this.#next += 1;
    return token;
  }

  peekNonSpace(): Token {
    while (this.peek().kind === 'space') this.#next += 1;
    return this.peek();
  }

  nextNonSpace(): Token {
    this.peekNonSpace();
    return this.next();
  }

  /** Takes the next token that is no space if it is a `kind`, and `text` when given. */
  accept(kind: TokenKind, text?: string): Token | undefined {
    const token = this.peekNonSpace();
    return token.kind === kind && (text === undefined || token.text === text)
      ? this.next()
      : undefined;
  }

  expect(kind: TokenKind, context: string): Token {
    const token = this.nextNonSpace();
    if (token.kind !== kind) throw this.unexpected(token, context);
    return token;
  }

  /** Where the last token taken ends. */
  get end(): number {
    const last = this.#tokens[this.#next - 1];
    return last === undefined ? 0 : last.at + last.text.length;
  }

  mark(): number {
    return this.#next;
  }

  reset(mark: number): void {
    this.#next = mark;
  }

  unexpected(token: Token, context: string): Error {
    const shown =
      token.kind === 'eof' ? 'end of template' : JSON.stringify(token.text.slice(0, 40));
    return this.#fail(token.at, `unexpected ${shown} in ${context}`);
  }

  failure(message: string, at = this.peek().at): Error {
    return this.#fail(at, message);
  }
}
