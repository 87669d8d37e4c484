// What could be used for long by whoever took it from a process: looked for in its environment, in every
// file it can reach, memory-backed ones included, and in files it has mapped that are no more. From
// outside, as root, so that no permission hides anything.

import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Pod } from './kube-object.ts';

export type Found = { readonly where: string; readonly what: string };

/** An identity's own credentials may be there, as long as they end within this. */
const SHORT_MS = 3_600_000;
const LARGEST_FILE = 512 * 1024 * 1024;
/** Not files; and what every container runtime mounts. */
const SKIPPED: ReadonlySet<string> = new Set(['/proc', '/sys', '/dev']);
const PEM_KEY =
  /-----BEGIN ((?:[A-Z]+ )*PRIVATE KEY)-----\s+[A-Za-z0-9+/=\s]{60,}-----END \1-----/g;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/;
const TOKEN = /\beyJ[\w-]{10,}\.(eyJ[\w-]{10,})\.[\w-]{20,}/g;
const OTHERS: readonly (readonly [string, RegExp])[] = [
  ['key of the Claude API', /\bsk-ant-(?:api|admin|oat)\d\d-[\w-]{20,}/],
  ['key of OpenAI', /\bsk-(?:proj|svcacct)-[\w-]{40,}/],
  ['key of AWS', /\bAKIA[0-9A-Z]{16}\b/],
  ['token of Vault', /\bhv[sbr]\.[A-Za-z0-9_-]{24,}|\bs\.(?=[A-Za-z]*\d)[A-Za-z0-9]{24}\b/],
  [
    'password in a URL',
    /\b(?:postgres(?:ql)?|mysql|redis|amqps?|https?):\/\/[\w.-]+:[^\s@/"'`$<{]{6,}@[\w.-]+/,
  ],
];
const SECRET_VARIABLE =
  /^(?:\w*(?:PASSWORD|PASSWD|PASSFILE|SECRET|API_KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIALS?)|\w*_TOKEN)=./;

/** Of all processes of the pod. */
export function longLivedSecrets({ metadata }: Pod): readonly Found[] {
  const seen = new Set<string>();
  return processesOf(metadata.uid ?? '').flatMap((pid) => [
    ...inEnvironment(pid),
    ...below({ root: `/proc/${pid}/root`, path: '/', seen }),
    ...inDeletedMappings(pid),
  ]);
}

/** The folder of Signet's files in one of the pod's containers, from outside. */
export function filesOf({ metadata }: Pod): string {
  const folders = processesOf(metadata.uid ?? '').map((pid) => `/proc/${pid}/root/spiffe-files`);
  const found = folders.find((folder) => existsSync(folder));
  if (found === undefined) throw new Error(`no files in ${metadata.name ?? ''}`);
  return found;
}

function processesOf(podUid: string): readonly string[] {
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const own = all.filter((pid) => isOf(podUid, pid));
  if (own.length === 0) throw new Error(`no process of pod ${podUid}`);
  return own;
}

function isOf(podUid: string, pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(podUid);
  } catch {
    // It has just ended.
    return false;
  }
}

function inEnvironment(pid: string): readonly Found[] {
  const variables = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
  return variables.flatMap((variable) => {
    const where = `variable ${variable.split('=')[0] ?? ''}`;
    const named = SECRET_VARIABLE.test(variable) ? [{ where, what: 'named like a secret' }] : [];
    return [...named, ...inText(variable, where)];
  });
}

type Place = { readonly root: string; readonly path: string; readonly seen: Set<string> };

/** Each file once, whichever process sees it. */
function below({ root, path, seen }: Place): readonly Found[] {
  if (SKIPPED.has(path)) return [];
  const here = join(root, path);
  const stat = lstatSync(here);
  if (stat.isDirectory()) {
    return readdirSync(here).flatMap((name) => below({ root, path: join(path, name), seen }));
  }
  const file = `${stat.dev} ${stat.ino}`;
  if (!stat.isFile() || seen.has(file)) return [];
  seen.add(file);
  if (stat.size > LARGEST_FILE) throw new Error(`${path}: too large to look into`);
  return inText(readFileSync(here, 'latin1'), path, () => certificateBeside(here));
}

/** A mapped file that has no name any more is read through the mapping. */
function inDeletedMappings(pid: string): readonly Found[] {
  const lines = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n');
  return lines.flatMap((line) => {
    const [range = '', , , , , ...path] = line.split(/\s+/);
    if (path.at(-1) !== '(deleted)' || !path[0]?.startsWith('/')) return [];
    return inText(readFileSync(`/proc/${pid}/map_files/${range}`, 'latin1'), path.join(' '));
  });
}

/** `certificate`: of the key that the text may be, in PEM. */
export function inText(text: string, where: string, certificate = () => ''): readonly Found[] {
  const others = OTHERS.filter(([, form]) => form.test(text)).map(([what]) => ({ where, what }));
  const tokens = [...text.matchAll(TOKEN)]
    .filter(([, payload = '']) => !endsSoon(payload))
    .map(() => ({ where, what: 'token that does not end within an hour' }));
  const keys = [...text.matchAll(PEM_KEY)]
    .filter(([pem]) => !isShortLived(pem, certificate()))
    .map(() => ({ where, what: 'key without a certificate that ends within an hour' }));
  return [...others, ...tokens, ...keys];
}

function endsSoon(payload: string): boolean {
  try {
    const { exp } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { exp?: number };
    return exp !== undefined && exp * 1000 - Date.now() <= SHORT_MS;
  } catch {
    // An example in documentation, or nothing of ours: no reader takes it for a token either.
    return true;
  }
}

function certificateBeside(path: string): string {
  try {
    return readFileSync(join(dirname(path), 'tls.crt'), 'latin1');
  } catch {
    return '';
  }
}

function isShortLived(pem: string, chain: string): boolean {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    // An example in documentation.
    return true;
  }
  const [leaf] = CERTIFICATE.exec(chain) ?? [];
  if (leaf === undefined) return false;
  const certificate = new X509Certificate(leaf);
  const isItsOwn = createPublicKey(key).equals(certificate.publicKey);
  return isItsOwn && certificate.validToDate.getTime() - Date.now() <= SHORT_MS;
}
