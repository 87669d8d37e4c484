// The documents by which a consumer finds keys: discovery and keys of an issuer, fetched as a consumer
// fetches them or read from a directory that an export wrote; or a list of keys alone.

import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { CodedError, invalid } from '../../base/errors.ts';
import { DISCOVERY_PATH, KEYS_PATH } from '../../spiffe/jwt-svid/oidc-documents.ts';
import { type JsonObject, parseStrictJsonObject } from '../../spiffe/strict-json.ts';
import { textIn } from './token.ts';

export type Documents = {
  /** Undefined when there is only a list of keys. */
  readonly discovery: JsonObject | undefined;
  readonly keys: readonly JsonObject[];
};

const MAX_BYTES = 1024 * 1024;
const TIMEOUT_MS = 10_000;

const IS_URL = /^https?:/i;

/**
 * `place`: an issuer's URL, or a directory. `ca`: PEM, instead of public ones. Throws `invalid-argument`
 * or `unavailable` naming what is not there.
 */
export async function loadDocuments(place: string, ca: string | undefined): Promise<Documents> {
  if (IS_URL.test(place)) return await fetchDocuments(place, ca);
  const keys = join(place, KEYS_PATH);
  const discovery = readJson(join(place, DISCOVERY_PATH));
  return { discovery, keys: keysIn(readJson(keys), keys) };
}

/** Keys alone, from a URL or a file: a JWK Set or a SPIFFE bundle. Throws as above. */
export async function loadKeys(place: string, ca: string | undefined): Promise<Documents> {
  const document = IS_URL.test(place) ? await fetchJson(place, ca) : readJson(place);
  return { discovery: undefined, keys: keysIn(document, place) };
}

async function fetchDocuments(issuer: string, ca: string | undefined): Promise<Documents> {
  const discovery = await fetchJson(`${issuer}${DISCOVERY_PATH}`, ca);
  const uri = textIn(discovery, 'jwks_uri');
  if (uri === '') throw invalid(`${issuer}${DISCOVERY_PATH}: has no jwks_uri`);
  return { discovery, keys: keysIn(await fetchJson(uri, ca), uri) };
}

function keysIn(document: JsonObject, place: string): readonly JsonObject[] {
  const keys = document.get('keys');
  if (!Array.isArray(keys)) throw invalid(`${place}: keys is not a list`);
  return keys.filter((key) => key instanceof Map);
}

function readJson(path: string): JsonObject {
  try {
    return parse(readFileSync(path), path);
  } catch (thrown) {
    if (thrown instanceof CodedError) throw thrown;
    throw invalid(`${path}: cannot be read`, thrown);
  }
}

function parse(bytes: Uint8Array, field: string): JsonObject {
  return parseStrictJsonObject(bytes, { field, maxBytes: MAX_BYTES });
}

// No redirects and no proxies: what is asked for is what a consumer is to ask for.
async function fetchJson(text: string, ca: string | undefined): Promise<JsonObject> {
  const url = URL.parse(text);
  if (url?.protocol !== 'https:') throw invalid(`${text}: is not an https URL`);
  const bytes = await new Promise<Buffer>((resolve, reject) => {
    const fail = (why: string) => reject(new CodedError('unavailable', `${text}: ${why}`));
    const outgoing = request(
      url,
      {
        agent: false,
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(ca === undefined ? {} : { ca }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        let length = 0;
        if (response.statusCode !== 200) {
          fail(`answered with ${response.statusCode ?? 'nothing'}`);
          response.destroy();
          return;
        }
        response.on('data', (chunk: Buffer) => {
          length += chunk.length;
          if (length > MAX_BYTES) {
            fail(`over ${MAX_BYTES} bytes`);
            response.destroy();
          } else chunks.push(chunk);
        });
        response.on('error', (error) => fail(error.message));
        response.on('end', () => resolve(Buffer.concat(chunks)));
      },
    );
    outgoing.on('error', (error) => fail(error.message));
    outgoing.end();
  });
  return parse(bytes, text);
}
