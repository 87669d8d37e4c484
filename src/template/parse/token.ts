// The words of the template language, as the lexer hands them to the parser.

export type TokenKind =
  | 'text'
  | 'left-delim'
  | 'right-delim'
  | 'space'
  | 'assign'
  | 'declare'
  | 'pipe'
  | 'char'
  | 'left-paren'
  | 'right-paren'
  | 'dot'
  | 'field'
  | 'variable'
  | 'identifier'
  | 'keyword'
  | 'bool'
  | 'nil'
  | 'number'
  | 'char-constant'
  | 'string'
  | 'raw-string'
  | 'eof';

export type Token = {
  readonly kind: TokenKind;
  readonly text: string;
  /** Offset of the token in the source, in UTF-16 units. */
  readonly at: number;
};

export const KEYWORDS: ReadonlySet<string> = new Set([
  'block',
  'break',
  'continue',
  'define',
  'else',
  'end',
  'if',
  'range',
  'template',
  'with',
]);
