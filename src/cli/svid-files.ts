// Writes SVIDs into a directory, for tools that want files: everything 0600, each file whole or not
// at all.

import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CodedError } from '../base/errors.ts';
import { formatPemCertificate } from '../spiffe/pem.ts';
import type { ReceivedSvid } from './svid-source.ts';

const PRIVATE = 0o600;
const PRIVATE_DIRECTORY = 0o700;

/** The paths that were written: `svid.N.pem`, `svid.N.key`, `bundle.N.pem`. */
export function writeSvids(directory: string, svids: readonly ReceivedSvid[]): readonly string[] {
  try {
    mkdirSync(directory, { recursive: true, mode: PRIVATE_DIRECTORY });
  } catch (cause) {
    throw new CodedError('failed-precondition', `${directory}: cannot be made`, { cause });
  }
  return svids.flatMap(({ chain, bundle, keyPkcs8 }, at) => [
    write(join(directory, `svid.${at}.pem`), chain.map(formatPemCertificate).join('')),
    write(join(directory, `svid.${at}.key`), formatKey(keyPkcs8)),
    write(join(directory, `bundle.${at}.pem`), bundle.map(formatPemCertificate).join('')),
  ]);
}

function write(path: string, text: string): string {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    // Not through what somebody else left there.
    writeFileSync(temporary, text, { flag: 'wx', mode: PRIVATE });
    chmodSync(temporary, PRIVATE);
    renameSync(temporary, path);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw new CodedError('failed-precondition', `${path}: cannot be written`, { cause });
  }
  return path;
}

function formatKey(pkcs8: Uint8Array): string {
  const lines =
    Buffer.from(pkcs8)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return ['-----BEGIN PRIVATE KEY-----', ...lines, '-----END PRIVATE KEY-----', ''].join('\n');
}
