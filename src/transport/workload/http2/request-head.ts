// What a request's fields must be before anything is made of them (RFC 9113 §8.2, §8.3).

/** A well-formed request. Names are lower case; pseudo-fields are apart. */
export type RequestHead = {
  readonly method: string;
  readonly path: string;
  /** Names and values in turn, in order. */
  readonly fields: readonly string[];
};

const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
// §8.2.1: no NUL, CR or LF, no white space at either end.
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const BAD_VALUE = /[\0\r\n]|^[ \t]|[ \t]$/;
/** Of a connection, never of a request in HTTP/2 (§8.2.2). */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
]);
/**
 * The authority is looked at by nobody: clients of a Unix socket send `localhost`, the socket's path
 * with or without percent-encoding, nothing at all, or leave it out.
 */
const PSEUDO_FIELDS: ReadonlySet<string> = new Set([':method', ':scheme', ':path', ':authority']);

/** Undefined when the request is malformed: a stream error of type PROTOCOL_ERROR (§8.1.1). */
export function readRequestHead(fields: readonly string[]): RequestHead | undefined {
  const pseudo = new Map<string, string>();
  let at = 0;
  for (; at < fields.length && isPseudo(fields, at); at += 2) {
    const name = fields[at] as string;
    const value = fields[at + 1] as string;
    if (!PSEUDO_FIELDS.has(name) || pseudo.has(name) || BAD_VALUE.test(value)) return undefined;
    pseudo.set(name, value);
  }
  const regular = fields.slice(at);
  if (!areRegular(regular)) return undefined;
  const method = pseudo.get(':method') ?? '';
  const path = pseudo.get(':path') ?? '';
  if (method === '' || path === '' || (pseudo.get(':scheme') ?? '') === '') return undefined;
  return { method, path, fields: regular };
}

/** Whether these may end a request as trailers (§8.1): no pseudo-field is among them. */
export function areRegular(fields: readonly string[]): boolean {
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    const value = fields[at + 1] as string;
    if (!NAME.test(name) || BAD_VALUE.test(value) || CONNECTION_FIELDS.has(name)) return false;
    if (name === 'te' && value !== 'trailers') return false;
  }
  return true;
}

function isPseudo(fields: readonly string[], at: number): boolean {
  return (fields[at] as string).startsWith(':');
}
