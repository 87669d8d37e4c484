// What the issuer signs with and what its trust domain publishes, as one value that follows the
// store. Read by the issuer: the public state, the issuing keys, its own serving certificate.

import { createPublicKey, type KeyObject } from 'node:crypto';
import type { CheckpointSigner } from '../../audit/checkpoint.ts';
import {
  type Authority,
  type AuthorityState,
  activeOf,
  damaged,
  readState,
} from '../../authorities/authority-state.ts';
import {
  bundleOf,
  certificateOf,
  publicKeyOf,
  servingAuthoritiesOf,
} from '../../authorities/public-bundle.ts';
import { CodedError } from '../../base/errors.ts';
import { Latest } from '../../base/latest.ts';
import { digestOfKey } from '../../federation/bundle-check.ts';
import type { Bundle } from '../../spiffe/bundle/bundle.ts';
import { formatJwtBundle } from '../../spiffe/bundle/bundle-format.ts';
import { publicKeyBits } from '../../spiffe/certificate/key-identifier.ts';
import { type JwtAlgorithm, signingAlgorithmOf } from '../../spiffe/jwt-svid/jwt-algorithm.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import { X509SvidIssuer } from '../../spiffe/x509-svid/x509-svid-issuer.ts';
import { keyDigest } from '../policy/key-registry.ts';
import { REASON } from '../policy/reasons.ts';
import { type AuthorityStore, decodeKey, readKeys } from './authority-store.ts';
import { checkSelf } from './self-check.ts';
import { readServingLeaf } from './serving-leaf.ts';

export type X509Signer = {
  readonly authorityId: string;
  readonly issuer: X509SvidIssuer;
  /** DER certificates that follow a leaf: the intermediate. */
  readonly above: readonly Uint8Array[];
};

export type JwtSigner = {
  readonly authorityId: string;
  readonly algorithm: JwtAlgorithm;
  readonly privateKey: KeyObject;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
};

export type ServingCredentials = {
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[];
  readonly privateKey: KeyObject;
  /** DER of every serving authority that a client must trust now. */
  readonly servingCa: readonly Uint8Array[];
};

export type SigningAuthorities = {
  readonly trustDomain: TrustDomain;
  readonly x509: X509Signer;
  readonly jwt: JwtSigner;
  readonly bundle: Bundle & { readonly sequence: number };
  /** JWK Set of the JWT authorities, as the Workload API shows it. */
  readonly jwks: Uint8Array;
  readonly serving: ServingCredentials;
  /** What revocation lists are made of: the public state, and the intermediates' keys. */
  readonly revocation: RevocationAuthorities;
  /** Digests of every authority's public key; see KeyRegistry. */
  readonly keyDigests: ReadonlySet<string>;
  /** The same of the stored authorities, as they are compared with bundles of others. */
  readonly ownKeys: ReadonlySet<string>;
};

export type RevocationAuthorities = {
  readonly state: AuthorityState;
  /** Of every intermediate that is stored with its key, by id. */
  readonly keys: ReadonlyMap<string, KeyObject>;
};

/** The audit log is signed with the key of our own endpoint: node plugins know whose it is. */
export function checkpointSigner(
  current: SigningAuthorities | undefined,
): CheckpointSigner | undefined {
  const [certificate] = current?.serving.chain ?? [];
  if (current === undefined || certificate === undefined) return undefined;
  return { certificate, privateKey: current.serving.privateKey };
}

export type AuthorityViewOptions = {
  readonly trustDomain: TrustDomain;
  readonly store: AuthorityStore;
  /** O of every subject. */
  readonly organization?: string;
};

export class AuthorityView {
  readonly current = new Latest<SigningAuthorities>();
  readonly #options: AuthorityViewOptions;
  #versions = '';
  #hasGoneBack = false;
  #refreshing: Promise<void> | undefined;

  constructor(options: AuthorityViewOptions) {
    this.#options = options;
  }

  /** The store holds an older state than this process has seen. */
  get hasGoneBack(): boolean {
    return this.#hasGoneBack;
  }

  /**
   * Takes in what the store holds now. Throws `failed-precondition` when it cannot be signed with;
   * then what was there before stays, and ends with its certificates. Whoever asks meanwhile gets
   * the same answer.
   */
  async refresh(): Promise<void> {
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
  }

  async #read(): Promise<void> {
    const { store, trustDomain } = this.#options;
    // State before keys: whatever is active there has had its key stored before.
    const stored = await store.read('state');
    const issuing = await store.read('issuing-keys');
    const serving = await store.read('issuer-serving');
    const versions = JSON.stringify([stored?.version, issuing?.version, serving?.version]);
    if (versions === this.#versions) return;
    const state = readState(stored?.value, trustDomain);
    const before = this.current.value?.bundle.sequence ?? 0;
    this.#hasGoneBack = state.sequence < before;
    if (this.#hasGoneBack) throw wentBack(before, state.sequence);
    const keys = readKeys(issuing);
    const bundle = bundleOf(state);
    const leaf = readServingLeaf(serving);
    const leafDer = decode(leaf.certificate);
    const servingCa = servingAuthoritiesOf(state);
    const servingKey = decodeKey(leaf.key);
    const next: SigningAuthorities = {
      trustDomain,
      x509: this.#x509Signer(state, keys),
      jwt: jwtSigner(state, keys),
      bundle,
      jwks: formatJwtBundle(bundle),
      serving: { chain: [leafDer], privateKey: servingKey, servingCa },
      revocation: { state, keys: intermediateKeys(state, keys) },
      keyDigests: new Set([
        ...state.authorities.map((authority) => digestOf(publicKeyOf(authority))),
        digestOf(createPublicKey(servingKey)),
      ]),
      ownKeys: new Set(state.authorities.map((each) => digestOfKey(publicKeyOf(each)))),
    };
    checkSelf(next);
    this.current.set(next);
    this.#versions = versions;
  }

  #x509Signer(state: AuthorityState, keys: ReadonlyMap<string, string>): X509Signer {
    const { trustDomain, organization } = this.#options;
    const active = requireActive(state, 'intermediate');
    const root = state.authorities.find(({ id }) => id === active.parent);
    if (root === undefined) throw damaged(`the root of intermediate ${active.id} is missing`);
    const certificateDer = certificateOf(active);
    const issuer = new X509SvidIssuer({
      trustDomain,
      certificateDer,
      privateKey: requireKey(keys, active),
      above: [certificateOf(root)],
      ...(organization === undefined ? {} : { organization }),
    });
    return { authorityId: active.id, issuer, above: [certificateDer] };
  }
}

function wentBack(from: number, to: number): CodedError {
  const message = `authority state: its sequence went back from ${from} to ${to}`;
  return new CodedError('failed-precondition', message, { reason: REASON.STATE_ROLLED_BACK });
}

function jwtSigner(state: AuthorityState, keys: ReadonlyMap<string, string>): JwtSigner {
  const active = requireActive(state, 'jwt');
  const privateKey = requireKey(keys, active);
  const algorithm = signingAlgorithmOf(privateKey);
  return { authorityId: active.id, algorithm, privateKey, notAfter: active.notAfter * 1000 };
}

function intermediateKeys(
  { authorities }: AuthorityState,
  keys: ReadonlyMap<string, string>,
): ReadonlyMap<string, KeyObject> {
  const stored = authorities.flatMap(({ id, kind }) => {
    const text = kind === 'intermediate' ? keys.get(id) : undefined;
    return text === undefined ? [] : [[id, decodeKey(text)] as const];
  });
  return new Map(stored);
}

function requireActive(state: AuthorityState, kind: Authority['kind']): Authority {
  const active = activeOf(state, kind);
  if (active === undefined) throw damaged(`no ${kind} authority is active`);
  return active;
}

function requireKey(keys: ReadonlyMap<string, string>, { id, kind }: Authority): KeyObject {
  const text = keys.get(id);
  if (text === undefined) throw damaged(`the key of ${kind} authority ${id} is missing`);
  return decodeKey(text);
}

// In the form in which a workload would hand in the same key: a P-256 key as its point.
function digestOf(key: KeyObject): string {
  const spki = key.export({ type: 'spki', format: 'der' });
  const isP256 = key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
  return keyDigest(isP256 ? publicKeyBits(spki) : spki);
}

// Kept for long, so not as a slice of a shared pool.
function decode(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, 'base64'));
}
