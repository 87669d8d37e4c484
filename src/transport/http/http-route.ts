// What an HTTP endpoint is to its implementation: a function from bytes to a status and a body. No
// type of any framework shows.

export type HttpRequest = {
  /** As it came, within the body cap; empty when there was none. */
  readonly body: Uint8Array;
  /** The headers of these names, as a peer wrote them. */
  readonly host?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
};

export type HttpAnswer = {
  readonly status: number;
  readonly body: string | Uint8Array;
  /** Media type; default: JSON. */
  readonly type?: string;
  /** Beside it; default: not to be stored. */
  readonly headers?: Readonly<Record<string, string>>;
};

export type HttpRoute = {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly path: string;
  /** What it throws is logged, and answered with a bare 500. */
  readonly handle: (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>;
};

const ERRORS: ReadonlyMap<number, string> = new Map([
  [400, 'bad request'],
  [404, 'not found'],
  [405, 'method not allowed'],
  [408, 'request timeout'],
  [413, 'body too large'],
  [415, 'body must be application/json'],
  [421, 'misdirected request'],
  [431, 'headers too large'],
  [503, 'unavailable'],
]);

/** A refusal in constant words, so that nothing of what failed inside gets out. */
export function httpError(status: number): HttpAnswer {
  const error = ERRORS.get(status) ?? (status < 500 ? 'refused' : 'internal error');
  return { status, body: JSON.stringify({ error }) };
}
