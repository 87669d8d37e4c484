// Writes discovery and keys as files, for a web server or an object store: each whole or not at all, the
// keys first, so that nobody is sent to what is not there.

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { AuthorityState } from '../../authorities/authority-state.ts';
import { bundleOf } from '../../authorities/public-bundle.ts';
import { CodedError, invalid } from '../../base/errors.ts';
import { DEFAULT_SETTINGS } from '../../issuer/authority/authority-plan.ts';
import type { IssuerUrl } from '../../spiffe/jwt-svid/issuer-url.ts';
import {
  DISCOVERY_PATH,
  formatDiscovery,
  formatOidcKeys,
  JWT_KEYS_MAX_AGE_SECONDS,
  KEYS_PATH,
} from '../../spiffe/jwt-svid/oidc-documents.ts';
import { parseStrictJsonObject } from '../../spiffe/strict-json.ts';

/**
 * How old an export may get: a key that is published right after it signs when its time has come, and
 * readers may have kept the list until then.
 */
export const MAX_EXPORT_AGE_SECONDS = DEFAULT_SETTINGS.jwt.prepublish - JWT_KEYS_MAX_AGE_SECONDS;

const MAX_BYTES = 1024 * 1024;
/** For whoever serves them. */
const PUBLIC_FILE = 0o644;
const PUBLIC_DIRECTORY = 0o755;

export type Exported = {
  readonly issuer: IssuerUrl;
  /** Of the keys, in the document's order. */
  readonly keyIds: readonly string[];
  readonly files: readonly string[];
  /** Whether any file changed. */
  readonly changed: boolean;
};

/** Throws `failed-precondition` for a directory with documents of another issuer, or without keys. */
export function exportDocuments(
  directory: string,
  issuer: IssuerUrl,
  state: AuthorityState,
): Exported {
  const keys = bundleOf(state).jwtAuthorities;
  if (keys.size === 0) throw new CodedError('failed-precondition', 'there are no JWT authorities');
  const discoveryPath = join(directory, DISCOVERY_PATH);
  const keysPath = join(directory, KEYS_PATH);
  checkIssuer(discoveryPath, issuer);
  const changed = [
    replace(keysPath, formatOidcKeys(keys)),
    replace(discoveryPath, formatDiscovery(issuer, keys)),
  ];
  return {
    issuer,
    keyIds: [...keys.keys()],
    files: [keysPath, discoveryPath],
    changed: changed.includes(true),
  };
}

function checkIssuer(path: string, issuer: IssuerUrl): void {
  const text = readIfThere(path);
  if (text === undefined) return;
  const said = parseStrictJsonObject(Buffer.from(text), { field: path, maxBytes: MAX_BYTES });
  if (said.get('issuer') === issuer) return;
  throw new CodedError('failed-precondition', `${path}: is of another issuer than ${issuer}`);
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined;
    throw invalid(`${path}: cannot be read`, thrown);
  }
}

function replace(path: string, text: string): boolean {
  if (readIfThere(path) === text) return false;
  const draft = `${path}.new`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: PUBLIC_DIRECTORY });
    rmSync(draft, { force: true });
    // Not through what somebody else left there.
    writeFileSync(draft, text, { flag: 'wx', mode: PUBLIC_FILE });
    renameSync(draft, path);
  } catch (cause) {
    rmSync(draft, { force: true });
    throw new CodedError('failed-precondition', `${path}: cannot be written`, { cause });
  }
  return true;
}
