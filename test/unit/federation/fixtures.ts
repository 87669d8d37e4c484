// Foreign trust domains for tests: their authorities, their documents, the objects that declare them, and
// a store in memory that can fail.

import { CodedError } from '../../../src/base/errors.ts';
import type { DocumentStore } from '../../../src/federation/bundle-store.ts';
import { documentOf } from '../../../src/federation/federated-bundle.ts';
import type { Bundle } from '../../../src/spiffe/bundle/bundle.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { newKeys, TestCa } from '../../fakes/test-ca.ts';

export const OWN = parseTrustDomain('own.test');
export const PEER = parseTrustDomain('peer.test');

export type BundleShape = {
  readonly sequence?: number;
  readonly hint?: number;
  readonly ca?: TestCa;
  readonly authorities?: readonly Uint8Array[];
};

/** A bundle of one root, or of what is asked for. */
export function bundleOf(name: string, shape: BundleShape = {}): Bundle {
  const { sequence, hint, ca = new TestCa(name), authorities = [ca.certificate] } = shape;
  return {
    trustDomain: parseTrustDomain(name),
    sequence,
    refreshHintSeconds: hint,
    x509Authorities: authorities,
    jwtAuthorities: new Map([[`key-of-${name}`, newKeys().publicKey]]),
  };
}

export type ObjectShape = {
  readonly name?: string;
  readonly uid?: string;
  readonly created?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly className?: string;
  readonly url?: string;
  readonly endpointId?: string;
  readonly bootstrap?: Bundle | string;
};

/** A ClusterFederatedTrustDomain of the trust domain; `https_web` unless there is an endpoint ID. */
export function objectOf(trustDomain: string, shape: ObjectShape = {}): JsonObject {
  const { name = trustDomain, uid = `uid of ${name}`, endpointId, bootstrap, labels = {} } = shape;
  return {
    apiVersion: 'spire.spiffe.io/v1alpha1',
    kind: 'ClusterFederatedTrustDomain',
    metadata: {
      name,
      uid,
      labels,
      generation: 1,
      creationTimestamp: shape.created ?? '2026-01-01T00:00:00Z',
    },
    spec: {
      trustDomain,
      bundleEndpointURL: shape.url ?? `https://${trustDomain}/bundle`,
      bundleEndpointProfile:
        endpointId === undefined
          ? { type: 'https_web' }
          : { type: 'https_spiffe', endpointSPIFFEID: endpointId },
      ...(shape.className === undefined ? {} : { className: shape.className }),
      ...(bootstrap === undefined
        ? {}
        : { trustDomainBundle: typeof bootstrap === 'string' ? bootstrap : documentOf(bootstrap) }),
    },
  };
}

export class MemoryDocuments implements DocumentStore {
  text: string | undefined;
  writes = 0;
  /** Thrown by the next writes, one each. */
  readonly failures: CodedError[] = [];
  #version = 0;

  async read(): Promise<{ readonly text: string | undefined; readonly version: string }> {
    return { text: this.text, version: String(this.#version) };
  }

  async write(text: string, expected: string): Promise<void> {
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    if (expected !== String(this.#version)) throw new CodedError('aborted', 'changed');
    this.put(text);
  }

  /** As somebody else would. */
  put(text: string): void {
    this.text = text;
    this.#version += 1;
    this.writes += 1;
  }
}
