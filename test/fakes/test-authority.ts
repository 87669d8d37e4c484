// The authorities of one trust domain, as an issuer has them.

import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  createIntermediateAuthority,
  createRootAuthority,
} from '../../src/spiffe/authority/x509-authority.ts';
import { formatJwtBundle } from '../../src/spiffe/bundle/bundle-format.ts';
import { signingAlgorithmOf, signJwt } from '../../src/spiffe/jwt-svid/jwt-algorithm.ts';
import { assembleJwtSvid, prepareJwtSvid } from '../../src/spiffe/jwt-svid/jwt-svid-signing.ts';
import { parseTrustDomain, type SpiffeId, type TrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { X509SvidIssuer } from '../../src/spiffe/x509-svid/x509-svid-issuer.ts';
import type { BundleSchema } from '../../src/transport/gen/signet/issuer_pb.ts';

/** One trust domain with real keys. */
export class TestAuthority {
  readonly trustDomain: TrustDomain;
  readonly root: Uint8Array;
  readonly intermediate: Uint8Array;
  readonly signer: X509SvidIssuer;
  readonly jwtKeys: { readonly privateKey: KeyObject; readonly publicKey: KeyObject };
  sequence = 1n;

  private constructor(
    trustDomain: TrustDomain,
    parts: { root: Uint8Array; intermediate: Uint8Array; signer: X509SvidIssuer },
  ) {
    this.trustDomain = trustDomain;
    this.root = parts.root;
    this.intermediate = parts.intermediate;
    this.signer = parts.signer;
    this.jwtKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  }

  static async create(name: string, now: number): Promise<TestAuthority> {
    const trustDomain = parseTrustDomain(name);
    const always = {
      trustDomain,
      curve: 'P-256' as const,
      notBefore: now - 48 * 3_600_000,
      notAfter: now + 200_000 * 3_600_000,
    };
    const root = await createRootAuthority(always);
    const intermediate = await createIntermediateAuthority({ ...always, signedBy: root });
    return new TestAuthority(trustDomain, {
      root: root.certificateDer,
      intermediate: intermediate.certificateDer,
      signer: new X509SvidIssuer({ trustDomain, ...intermediate, above: [root.certificateDer] }),
    });
  }

  get bundle(): MessageInitShape<typeof BundleSchema> & { x509Authorities: Uint8Array[] } {
    return {
      trustDomain: this.trustDomain,
      sequence: this.sequence,
      x509Authorities: [this.root],
      jwtAuthorities: formatJwtBundle({
        trustDomain: this.trustDomain,
        sequence: undefined,
        refreshHintSeconds: undefined,
        x509Authorities: [],
        jwtAuthorities: new Map([['key-1', this.jwtKeys.publicKey]]),
      }),
    };
  }

  token(
    request: { spiffeId: SpiffeId; audience: readonly string[]; claims?: Map<string, string> },
    issuedAt: number,
    expiresAt: number,
  ): string {
    const algorithm = signingAlgorithmOf(this.jwtKeys.privateKey);
    const prepared = prepareJwtSvid({
      ...request,
      algorithm,
      keyId: 'key-1',
      issuedAt,
      expiresAt,
    });
    const signature = signJwt(prepared.signingInput, this.jwtKeys.privateKey);
    return assembleJwtSvid(prepared.signingInput, signature);
  }
}
