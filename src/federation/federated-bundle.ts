// The bundles of other trust domains as they are stored: one document, each bundle beside the name of
// the trust domain that it was declared and fetched for (SPIFFE Federation §7.3). Whoever delivers them
// reads this, and needs to know nothing of endpoints.

import { CodedError } from '../base/errors.ts';
import type { Bundle } from '../spiffe/bundle/bundle.ts';
import { formatSpiffeBundle } from '../spiffe/bundle/bundle-format.ts';
import { parseSpiffeBundle } from '../spiffe/bundle/bundle-parse.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffe-id.ts';
import { type JsonValue, parseStrictJsonObject } from '../spiffe/strict-json.ts';

export type FederatedBundle = {
  readonly trustDomain: TrustDomain;
  /** Of the object that declares the trust domain. */
  readonly uid: string;
  /** Of the same object: policies may select by them. */
  readonly labels: Readonly<Record<string, string>>;
  readonly bundle: Bundle;
  /** The highest that was ever taken: a lower one is a rollback. */
  readonly highestSequence: number | undefined;
  /** SHA-256 of the bundle that the object began with, '' for none: another one is an edit. */
  readonly bootstrapDigest: string;
  /** Whether the bundle was fetched, and not only declared. */
  readonly isFetched: boolean;
};

/** By trust domain. */
export type FederatedBundles = ReadonlyMap<TrustDomain, FederatedBundle>;

/** The object of a cluster that holds the document, in the namespace of the installation. */
export const FEDERATED_CONFIG_MAP = 'signet-federated-bundles';

/** An object of the Kubernetes API holds little more. */
export const MAX_STORE_BYTES = 900 * 1024;
/** Of one trust domain: one peer must not take the room of the others. */
export const MAX_STORED_BUNDLE_BYTES = 128 * 1024;
/** Half a dozen roots with the largest keys. What is larger shares a part of the room with its like. */
export const MAX_ORDINARY_BUNDLE_BYTES = 16 * 1024;
export const MAX_LARGE_BYTES = MAX_STORE_BYTES / 2;

const MAX_READ_BYTES = 2 * MAX_STORE_BYTES;
const FIELD = 'federated bundles';

export function formatFederatedBundles(bundles: FederatedBundles): string {
  const trustDomains = [...bundles.values()]
    .toSorted((a, b) => (a.trustDomain < b.trustDomain ? -1 : 1))
    .map(({ bundle, ...rest }) => ({
      ...rest,
      labels: Object.entries(rest.labels).toSorted(([a], [b]) => (a < b ? -1 : 1)),
      bundle: documentOf(bundle),
    }));
  return JSON.stringify({ format: 1, trustDomains });
}

/** The SPIFFE bundle document, as text. */
export function documentOf(bundle: Bundle): string {
  return Buffer.from(formatSpiffeBundle(bundle)).toString('utf8');
}

/** Throws `failed-precondition` for what was not written by `formatFederatedBundles`. */
export function readFederatedBundles(text: string): FederatedBundles {
  try {
    const limits = { field: FIELD, maxBytes: MAX_READ_BYTES };
    const members = parseStrictJsonObject(Buffer.from(text), limits);
    const listed = members.get('trustDomains');
    if (members.get('format') !== 1 || !Array.isArray(listed)) throw damaged('not such a document');
    const bundles = new Map<TrustDomain, FederatedBundle>();
    for (const each of listed as readonly JsonValue[]) {
      const read = readOne(each);
      if (bundles.has(read.trustDomain)) throw damaged(`${read.trustDomain} is there twice`);
      bundles.set(read.trustDomain, read);
    }
    return bundles;
  } catch (thrown) {
    const error = CodedError.from(thrown);
    throw error.code === 'failed-precondition' ? error : damaged(error.message, error);
  }
}

function readOne(value: JsonValue): FederatedBundle {
  if (!(value instanceof Map)) throw damaged('a trust domain is not an object');
  const text = (name: string): string => {
    const member = value.get(name);
    if (typeof member !== 'string') throw damaged(`${name} is not a string`);
    return member;
  };
  const trustDomain = parseTrustDomain(text('trustDomain'));
  const highest = value.get('highestSequence');
  if (highest !== undefined && !Number.isSafeInteger(highest)) throw damaged('highestSequence');
  return {
    trustDomain,
    uid: text('uid'),
    labels: readLabels(value.get('labels')),
    bundle: parseSpiffeBundle(Buffer.from(text('bundle')), trustDomain).bundle,
    highestSequence: highest as number | undefined,
    bootstrapDigest: text('bootstrapDigest'),
    isFetched: value.get('isFetched') === true,
  };
}

function readLabels(value: JsonValue | undefined): Readonly<Record<string, string>> {
  if (!Array.isArray(value)) throw damaged('labels is not a list');
  const pairs = (value as readonly JsonValue[]).map((pair) => {
    const [name, text] = Array.isArray(pair) ? (pair as readonly JsonValue[]) : [];
    if (typeof name !== 'string' || typeof text !== 'string') throw damaged('a label is malformed');
    return [name, text] as const;
  });
  // Own members only, whatever a label is called.
  return Object.assign(Object.create(null) as Record<string, string>, Object.fromEntries(pairs));
}

function damaged(why: string, cause?: unknown): CodedError {
  const options = { reason: 'StateDamaged', ...(cause === undefined ? {} : { cause }) };
  return new CodedError('failed-precondition', `${FIELD}: ${why}`, options);
}
