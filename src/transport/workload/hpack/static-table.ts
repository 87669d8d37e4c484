// The static table (RFC 7541 appendix A): index 1 is the first entry.

const ENTRIES: readonly (readonly [string, string?])[] = [
  [':authority'],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset'],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language'],
  ['accept-ranges'],
  ['accept'],
  ['access-control-allow-origin'],
  ['age'],
  ['allow'],
  ['authorization'],
  ['cache-control'],
  ['content-disposition'],
  ['content-encoding'],
  ['content-language'],
  ['content-length'],
  ['content-location'],
  ['content-range'],
  ['content-type'],
  ['cookie'],
  ['date'],
  ['etag'],
  ['expect'],
  ['expires'],
  ['from'],
  ['host'],
  ['if-match'],
  ['if-modified-since'],
  ['if-none-match'],
  ['if-range'],
  ['if-unmodified-since'],
  ['last-modified'],
  ['link'],
  ['location'],
  ['max-forwards'],
  ['proxy-authenticate'],
  ['proxy-authorization'],
  ['range'],
  ['referer'],
  ['refresh'],
  ['retry-after'],
  ['server'],
  ['set-cookie'],
  ['strict-transport-security'],
  ['transfer-encoding'],
  ['user-agent'],
  ['vary'],
  ['via'],
  ['www-authenticate'],
];

export const STATIC_NAMES: readonly string[] = ['', ...ENTRIES.map(([name]) => name)];
export const STATIC_VALUES: readonly string[] = ['', ...ENTRIES.map(([, value]) => value ?? '')];
export const STATIC_ENTRIES = ENTRIES.length;

const nameIndices = new Map<string, number>();
const fieldIndices = new Map<string, number>();
for (const [at, [name, value]] of ENTRIES.entries()) {
  if (!nameIndices.has(name)) nameIndices.set(name, at + 1);
  if (value !== undefined) fieldIndices.set(`${name}\n${value}`, at + 1);
}

/** The index of a name, and of a name with a value; 0 when there is none. */
export function staticNameIndex(name: string): number {
  return nameIndices.get(name) ?? 0;
}

export function staticFieldIndex(name: string, value: string): number {
  return fieldIndices.get(`${name}\n${value}`) ?? 0;
}
