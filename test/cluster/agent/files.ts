// `files DIRECTORY`: a line for each set of files that is in force, and when there is none any more. A
// set is read by one look at where `..data` leads, as a careful program reads it.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { emit } from './output.ts';

const LOOK_MS = 10;

type FileSet = { readonly chain: string; readonly key: string; readonly token: string };

export async function files([directory = '']: readonly string[], stop: AbortSignal) {
  let last: string | undefined = 'nothing yet';
  while (!stop.aborted) {
    const set = read(directory);
    const seen = set && JSON.stringify(set);
    if (seen !== last) emit(set === undefined ? { gone: true } : describeSet(directory, set));
    last = seen;
    await sleep(LOOK_MS, undefined, { signal: stop }).catch(() => {});
  }
  return 0;
}

function read(directory: string): FileSet | undefined {
  for (;;) {
    const set = linkOf(join(directory, '..data'));
    if (set === undefined) return undefined;
    const text = (name: string): string => readFileSync(join(directory, set, name), 'utf8');
    try {
      return { chain: text('tls.crt'), key: text('tls.key'), token: text('token') };
    } catch (thrown) {
      // It was exchanged meanwhile, and this one removed.
      if (!isMissing(thrown)) throw thrown;
    }
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw thrown;
  }
}

function isMissing(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT';
}

function describeSet(directory: string, { chain, key, token }: FileSet) {
  const leaf = new X509Certificate(chain);
  const claims = JSON.parse(
    Buffer.from(token.split('.')[1] ?? '', 'base64url').toString(),
  ) as Record<string, unknown>;
  const { mode, gid, uid } = statSync(join(directory, 'tls.key'));
  return {
    id: leaf.subjectAltName?.replace('URI:', ''),
    serial: leaf.serialNumber,
    belongs: leaf.checkPrivateKey(createPrivateKey(key)),
    sub: claims['sub'],
    aud: claims['aud'],
    key: { mode: mode & 0o777, gid, uid },
    reader: { uid: process.getuid?.(), groups: process.getgroups?.() },
  };
}
