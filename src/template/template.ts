// A policy's text template: Go's text/template with its built-in functions only, parsed once into
// closures and rendered per pod, each byte of the output tagged with who could have written it.

import { CodedError } from '../base/errors.ts';
import { type DirectRender, directRender } from './direct.ts';
import { Execution } from './eval/execution.ts';
import { type Bodies, compileBody, type Run as RunBody } from './eval/statement.ts';
import type { Parsed } from './parse/ast.ts';
import { lineOf, parse } from './parse/parser.ts';
import type { Run } from './provenance.ts';
import { reachableFields } from './reach.ts';
import { dataValue, type TemplateData } from './template-data.ts';

export type { JsonObject } from './json-value.ts';
export type { Provenance, Run } from './provenance.ts';
export type { TemplateData } from './template-data.ts';

/** UTF-16 units of an action that an error shows. */
const MAX_SHOWN = 120;

export class Template {
  readonly name: string;
  readonly source: string;
  /**
   * Go paths of what the template can reach, such as `PodMeta.Labels`. A path that ends at a
   * struct, slice or map means all of it.
   */
  readonly fields: ReadonlySet<string>;
  readonly #body: RunBody;
  readonly #direct: DirectRender | undefined;

  constructor(name: string, source: string, parsed: Parsed) {
    this.name = name;
    this.source = source;
    this.fields = reachableFields(parsed);
    this.#body = compile(parsed);
    this.#direct = directRender(parsed.root);
  }

  /** Throws `invalid-argument` for the reason RenderFailed. */
  render(data: TemplateData): string {
    return this.#direct?.(data) ?? this.#execute(data, false).output;
  }

  /** The output in runs of one provenance each; throws as render does. */
  trace(data: TemplateData): readonly Run[] {
    return this.#execute(data, true).runs;
  }

  #execute(data: TemplateData, isTraced: boolean): Execution {
    const execution = new Execution(isTraced);
    const dot = dataValue(data);
    execution.declare('$', dot);
    try {
      this.#body(execution, dot);
      return execution;
    } catch (thrown) {
      throw this.#failure(thrown, execution);
    }
  }

  #failure(thrown: unknown, { at: { at, end } }: Execution): unknown {
    if (!(thrown instanceof CodedError)) return thrown;
    const action = this.source.slice(at, end);
    const shown = action.length > MAX_SHOWN ? `${action.slice(0, MAX_SHOWN)}…` : action;
    return new CodedError(
      'invalid-argument',
      `${this.name}: line ${lineOf(this.source, at)}: ${shown.toWellFormed()}: ${thrown.message}`,
      { cause: thrown, reason: 'RenderFailed' },
    );
  }
}

/** Throws `invalid-argument` naming the line and the cause. */
export function parseTemplate(name: string, source: string): Template {
  return new Template(name, source, parse(name, source));
}

function compile({ root, templates }: Parsed): RunBody {
  const bodies: Bodies = new Map();
  for (const [name, body] of templates) bodies.set(name, compileBody(body, bodies));
  return compileBody(root, bodies);
}
