// A checkpoint: a writer's signed word on how far its chain goes, and with which digest. Others keep it,
// so that neither an edited line nor a cut end, nor the loss of a whole chain, goes unnoticed.

import { createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto';
import type { ChainHead } from './audit-chain.ts';

export type CheckpointStatement = {
  readonly trustDomain: string;
  readonly replica: string;
  readonly chain: string;
  /** Of the last line that it covers. */
  readonly sequence: number;
  /** SHA-256 of that line, in hex. */
  readonly hash: string;
  /** RFC 3339, UTC. */
  readonly at: string;
};

export type Checkpoint = CheckpointStatement & {
  /** Which key signed: the start of the SHA-256 of its SubjectPublicKeyInfo, in hex. */
  readonly key: string;
  /** In base64url. */
  readonly signature: string;
};

/** The key of a certificate of the serving authority. */
export type CheckpointSigner = {
  readonly privateKey: KeyObject;
  /** DER. */
  readonly certificate: Uint8Array;
};

/**
 * Nothing else that this key signs begins so: TLS 1.3 signs what begins with spaces, TLS 1.2 what has
 * random octets of ours from the 33rd on.
 */
const PURPOSE = 'signet audit checkpoint, version 1\n';
const KEY_ID_DIGITS = 32;
const MAX_TEXT = 512;
const MAX_JSON = 4096;
const SHAPES: Readonly<Record<keyof Checkpoint, RegExp>> = {
  trustDomain: /^[a-z0-9._-]{1,255}$/,
  replica: /^[A-Za-z0-9._-]{1,253}$/,
  chain: /^[0-9a-f]{32}$/,
  sequence: /^[1-9][0-9]{0,15}$/,
  hash: /^[0-9a-f]{64}$/,
  at: /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$/,
  key: /^[0-9a-f]{32}$/,
  signature: /^[A-Za-z0-9_-]{40,512}$/,
};

export function signCheckpoint(
  head: ChainHead,
  { trustDomain, now }: { readonly trustDomain: string; readonly now: number },
  { privateKey }: CheckpointSigner,
): Checkpoint {
  const { replica, chain, sequence, hash } = head;
  const at = new Date(now).toISOString();
  const statement = { trustDomain, replica, chain, sequence, hash, at };
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' as const };
  const signature = sign('sha256', signedBytes(statement), key).toString('base64url');
  return { ...statement, key: keyId(createPublicKey(privateKey)), signature };
}

export function isSigned(checkpoint: Checkpoint, publicKey: KeyObject): boolean {
  const key = { key: publicKey, dsaEncoding: 'ieee-p1363' as const };
  const signature = Buffer.from(checkpoint.signature, 'base64url');
  return verify('sha256', signedBytes(checkpoint), key, signature);
}

export function keyId(publicKey: KeyObject): string {
  return hash('sha256', publicKey.export({ type: 'spki', format: 'der' })).slice(0, KEY_ID_DIGITS);
}

/** Undefined for what is none: too long, incomplete, or with a field of another form. */
export function readCheckpoint(value: unknown): Checkpoint | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const given = new Map<string, unknown>(Object.entries(value));
  for (const [name, shape] of Object.entries(SHAPES)) {
    const field = given.get(name);
    if (typeof field !== (name === 'sequence' ? 'number' : 'string')) return undefined;
    const text = String(field);
    if (text.length > MAX_TEXT || !shape.test(text)) return undefined;
  }
  const { trustDomain, replica, chain, sequence, hash, at, key, signature } = value as Checkpoint;
  return { trustDomain, replica, chain, sequence, hash, at, key, signature };
}

export function parseCheckpoint(json: string): Checkpoint | undefined {
  try {
    return json.length > MAX_JSON ? undefined : readCheckpoint(JSON.parse(json));
  } catch {
    return undefined;
  }
}

function signedBytes(statement: CheckpointStatement): Uint8Array {
  const { trustDomain, replica, chain, sequence, hash, at } = statement;
  const fields = JSON.stringify([trustDomain, replica, chain, sequence, hash, at]);
  return Buffer.from(PURPOSE + fields);
}
