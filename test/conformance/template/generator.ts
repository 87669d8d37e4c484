// Random templates of all kinds, most of them meaningful, some broken on purpose; the same ones
// for the same seed.

import { Choice } from './choice.ts';
import { Expressions } from './expressions.ts';
import { COLLECTIONS, type Dot } from './template-fields.ts';
import { BREAKERS } from './template-words.ts';

export class Generator {
  readonly #choose: Choice;
  readonly #expressions: Expressions;
  #inRange = 0;

  constructor(random: () => number) {
    this.#choose = new Choice(random);
    this.#expressions = new Expressions(this.#choose);
  }

  /** One template; one in eight has a character too many or too few. */
  template(): string {
    this.#expressions.variables = [];
    this.#inRange = 0;
    let source = '';
    if (this.#choose.one(6)) source += `{{ define "t1" }}${this.#body(1, 'other')}{{ end }}`;
    if (this.#choose.one(12)) source += `{{ block "t2" . }}${this.#body(1, 'data')}{{ end }}`;
    this.#expressions.variables = [];
    source += this.#body(3, 'data');
    return this.#choose.one(8) ? this.#broken(source) : source;
  }

  #broken(source: string): string {
    const at = this.#choose.below(source.length + 1);
    if (this.#choose.one(2))
      return source.slice(0, at) + source.slice(at + 1 + this.#choose.below(3));
    return source.slice(0, at) + this.#choose.pick(BREAKERS) + source.slice(at);
  }

  #body(depth: number, dot: Dot): string {
    const known = this.#expressions.variables.length;
    let body = '';
    for (let count = 1 + this.#choose.below(3); count > 0; count--)
      body += this.#statement(depth, dot);
    this.#expressions.variables.length = known;
    return body;
  }

  #statement(depth: number, dot: Dot): string {
    const kind = this.#choose.below(depth > 0 ? 16 : 7);
    switch (kind) {
      case 0:
        return this.#choose.pick(['/', 'x', ' ', 'spiffe://', '\n', ' a b ', '{', '}', 'é', '']);
      case 1:
      case 2:
      case 3:
      case 4:
        return this.#action(this.#pipeline(2, dot));
      case 5: {
        const action = `$v${this.#choose.below(3)}`;
        const declared = this.#action(`${action} := ${this.#pipeline(1, dot)}`);
        this.#expressions.variables.push(action);
        return declared;
      }
      case 6:
        if (this.#inRange > 0 && this.#choose.one(3))
          return this.#choose.pick(['{{break}}', '{{ continue }}']);
        if (this.#expressions.variables.length > 0) {
          return this.#action(
            `${this.#choose.pick(this.#expressions.variables)} = ${this.#pipeline(1, dot)}`,
          );
        }
        return this.#choose.pick([
          '{{/* c */}}',
          '{{- /* c */ -}}',
          '{{ template "t1" .PodMeta }}',
        ]);
      case 7:
      case 8:
      case 9:
        return this.#branches('if', depth, dot);
      case 10:
      case 11:
        return this.#branches('with', depth, dot);
      case 12:
        return `{{ template ${this.#choose.pick(['"t1"', '"t2"', '"none"'])} ${this.#expressions.any(1, dot)} }}`;
      default:
        return this.#range(depth, dot);
    }
  }

  #action(inner: string): string {
    const left = this.#choose.pick(['{{ ', '{{ ', '{{', '{{- ']);
    return `${left}${inner}${this.#choose.pick([' }}', ' }}', '}}', ' -}}'])}`;
  }

  #branches(keyword: 'if' | 'with', depth: number, dot: Dot): string {
    const known = this.#expressions.variables.length;
    const head = () => {
      if (!this.#choose.one(6)) return this.#pipeline(1, dot);
      const declaration = `$v${this.#choose.below(3)}`;
      const pipe = `${declaration} := ${this.#pipeline(1, dot)}`;
      this.#expressions.variables.push(declaration);
      return pipe;
    };
    const inner: Dot = keyword === 'with' ? 'string' : dot;
    let text = `${this.#action(`${keyword} ${head()}`)}${this.#body(depth - 1, inner)}`;
    if (this.#choose.one(4)) {
      text += `${this.#action(`else ${keyword} ${head()}`)}${this.#body(depth - 1, inner)}`;
    }
    if (this.#choose.one(2)) text += `${this.#action('else')}${this.#body(depth - 1, dot)}`;
    this.#expressions.variables.length = known;
    return `${text}${this.#action('end')}`;
  }

  #range(depth: number, dot: Dot): string {
    const known = this.#expressions.variables.length;
    const over = this.#choose.pick([
      ...COLLECTIONS,
      'PodSpec.Containers',
      'PodMeta.OwnerReferences',
      '3',
    ]);
    const inner: Dot = over.endsWith('ontainers')
      ? 'container'
      : over.endsWith('OwnerReferences')
        ? 'owner'
        : /Labels|Annotations|Finalizers|Selector|CIDRs/.test(over)
          ? 'string'
          : 'other';
    const names = this.#choose.pick([[], [], ['$e'], ['$i', '$e']]);
    const pipe = over === '3' ? this.#choose.pick(['3', '(len "ab")', '0', '-1']) : `$.${over}`;
    this.#expressions.variables.push(...names);
    const declaration = names.length > 0 ? `${names.join(', ')} := ` : '';
    let text = this.#action(`range ${declaration}${pipe}`);
    this.#inRange += 1;
    text += this.#body(depth - 1, inner);
    this.#inRange -= 1;
    this.#expressions.variables.length = known;
    if (this.#choose.one(3)) text += `${this.#action('else')}${this.#body(depth - 1, dot)}`;
    return `${text}${this.#action('end')}`;
  }

  #pipeline(depth: number, dot: Dot): string {
    const first = this.#bare(this.#expressions.any(depth, dot));
    if (!this.#choose.one(4)) return first;
    const next = this.#choose.pick([
      'printf "%s"',
      'printf "%v-%v" "x"',
      'printf "%q"',
      'len',
      'print',
      'println',
      'html',
      'js',
      'urlquery',
      'not',
      'eq "web"',
      'index .PodMeta.Labels',
      'index $.PodMeta.Labels',
      'and 1',
      'or ""',
      'print "a"',
      'slice "abcdef"',
      'lt 1',
    ]);
    return `${first} | ${next}${this.#choose.one(4) ? ' | print' : ''}`;
  }

  /** Without the parentheses around a whole command. */
  #bare(expression: string): string {
    return expression.startsWith('(') && this.#matching(expression) && !this.#choose.one(6)
      ? expression.slice(1, -1)
      : expression;
  }

  #matching(expression: string): boolean {
    let depth = 0;
    for (let at = 0; at < expression.length; at++) {
      if (expression.charAt(at) === '(') depth += 1;
      if (expression.charAt(at) === ')') depth -= 1;
      if (depth === 0) return at === expression.length - 1;
    }
    return false;
  }
}
