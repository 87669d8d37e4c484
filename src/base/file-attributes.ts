// How a volume asks for its identity as files, in attributes that the pod's author or the webhook
// writes. Admission and the node plugin read them alike.

import { invalid } from './errors.ts';

export const FILES = 'signet.dev/files';
export const FILES_VOLUME = 'signet.dev/files-volume';
export const FILE_NAMES = 'signet.dev/file-names';
export const FS_GROUP = 'signet.dev/fs-group';
export const JWT_AUDIENCE = 'signet.dev/jwt-audience';

/** The memory-backed `emptyDir` that files are written into, unless another one is named. */
export const DEFAULT_FILES_VOLUME = 'signet-files';

export type TokenFile = { readonly name: string; readonly audience: string };

export type X509FileNames = {
  readonly chain: string;
  readonly key: string;
  readonly bundle: string;
  readonly jwtBundle: string;
  readonly crl: string;
};

export type FileRequest = {
  /** Name of an `emptyDir` volume of the pod. */
  readonly volume: string;
  readonly names: X509FileNames;
  readonly tokens: readonly TokenFile[];
  /** Who may read keys and tokens besides root: the group that the kubelet gave the volume. */
  readonly group: number | undefined;
};

type NameSet = X509FileNames & { readonly token: string };

const NAME_SETS: ReadonlyMap<string, NameSet> = new Map([
  [
    'tls',
    {
      chain: 'tls.crt',
      key: 'tls.key',
      bundle: 'ca.crt',
      jwtBundle: 'jwt_bundle.json',
      crl: 'crl.pem',
      token: 'token',
    },
  ],
  [
    'spiffe-helper',
    {
      chain: 'svid.pem',
      key: 'svid_key.pem',
      bundle: 'svid_bundle.pem',
      jwtBundle: 'jwt_bundle.json',
      crl: 'crl.pem',
      token: 'jwt_svid.token',
    },
  ],
]);
const DEFAULT_NAMES = 'tls';

const VOLUME_NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
/** Not hidden, and so never one of the names that a swap needs. */
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const GROUP = /^[1-9][0-9]{0,9}$/;
const MAX_GROUP = 0x7fffffff;
const MAX_TOKENS = 10;
const MAX_AUDIENCE_BYTES = 1024;

const RULES: ReadonlyMap<string, (value: string) => string | undefined> = new Map([
  [FILES, oneOf(['true', 'false'])],
  [FILES_VOLUME, (value) => (VOLUME_NAME.test(value) ? undefined : 'must be a volume name')],
  [FILE_NAMES, oneOf([...NAME_SETS.keys()])],
  [FS_GROUP, groupError],
  [JWT_AUDIENCE, (value) => tokensError(parseTokens(value, DEFAULT_NAMES), [])],
]);

/**
 * The rule that the value of one of these attributes breaks; null when it breaks none, undefined for
 * an attribute that is not one of these.
 */
export function fileAttributeError(name: string, value: string): string | null | undefined {
  const rule = RULES.get(name);
  return rule === undefined ? undefined : (rule(value) ?? null);
}

/** What a volume asks for; undefined for no files. Throws `invalid-argument` naming the attribute. */
export function readFileRequest(
  attributes: Readonly<Record<string, string>>,
): FileRequest | undefined {
  const values = new Map(Object.entries(attributes));
  for (const [name, value] of values) {
    const error = fileAttributeError(name, value);
    if (typeof error === 'string') throw invalid(`${name}: ${error}`);
  }
  if (values.get(FILES) !== 'true') {
    const useless = [...values.keys()].find((name) => name !== FILES && RULES.has(name));
    if (useless !== undefined) throw invalid(`${useless}: needs ${FILES}: "true"`);
    return undefined;
  }
  const group = values.get(FS_GROUP);
  const nameSet = values.get(FILE_NAMES) ?? DEFAULT_NAMES;
  const { token: _, ...names } = namesOf(nameSet);
  const audiences = values.get(JWT_AUDIENCE);
  const tokens = audiences === undefined ? [] : parseTokens(audiences, nameSet);
  const error = tokensError(tokens, Object.values(names));
  if (error !== undefined) throw invalid(`${JWT_AUDIENCE}: ${error}`);
  return {
    volume: values.get(FILES_VOLUME) ?? DEFAULT_FILES_VOLUME,
    names,
    tokens,
    group: group === undefined ? undefined : Number(group),
  };
}

function oneOf(allowed: readonly string[]): (value: string) => string | undefined {
  return (value) => (allowed.includes(value) ? undefined : `must be one of ${allowed.join(', ')}`);
}

function groupError(value: string): string | undefined {
  const isGroup = GROUP.test(value) && Number(value) <= MAX_GROUP;
  return isGroup ? undefined : 'must be the number of a group, not 0';
}

/** `others` are names of files that are not tokens. */
function tokensError(tokens: readonly TokenFile[], others: readonly string[]): string | undefined {
  if (tokens.length > MAX_TOKENS) return `more than ${MAX_TOKENS} audiences`;
  const unnamed = new Set([...NAME_SETS.values()].map(({ token }) => token));
  const taken = new Set(others);
  for (const { name, audience } of tokens) {
    if (audience === '') return 'an audience must not be empty';
    if (Buffer.byteLength(audience) > MAX_AUDIENCE_BYTES) {
      return `an audience has over ${MAX_AUDIENCE_BYTES} bytes`;
    }
    if (taken.has(name)) {
      return unnamed.has(name)
        ? 'of several audiences, all but one need a name, as in NAME=AUDIENCE'
        : `two files would be named ${name}`;
    }
    taken.add(name);
  }
  return undefined;
}

/** `AUDIENCE` or `NAME=AUDIENCE`, separated by commas; what is no file name is part of an audience. */
function parseTokens(value: string, nameSet: string): readonly TokenFile[] {
  const { token } = namesOf(nameSet);
  return value.split(',').map((part) => {
    const item = part.trim();
    const at = item.indexOf('=');
    const name = item.slice(0, Math.max(at, 0));
    return FILE_NAME.test(name)
      ? { name, audience: item.slice(at + 1) }
      : { name: token, audience: item };
  });
}

function namesOf(nameSet: string): NameSet {
  const found = NAME_SETS.get(nameSet);
  if (found === undefined) throw invalid(`${FILE_NAMES}: unknown`);
  return found;
}
