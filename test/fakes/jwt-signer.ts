// Signs JWT-SVIDs with jose, whole or broken on purpose, and gives the bundle to check them by.

import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { exportJWK, type JWTPayload, type JWTVerifyGetKey, SignJWT } from 'jose';

export type TokenShape = {
  readonly claims?: JWTPayload;
  readonly header?: Readonly<Record<string, unknown>>;
  readonly without?: readonly string[];
};

export class JwtSigner {
  readonly keyId: string;
  readonly algorithm: 'ES256' | 'RS256';
  readonly #keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };

  constructor(keyId: string, algorithm: 'ES256' | 'RS256' = 'ES256') {
    this.keyId = keyId;
    this.algorithm = algorithm;
    this.#keys =
      algorithm === 'ES256'
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : generateKeyPairSync('rsa', { modulusLength: 2048 });
  }

  get publicKey(): KeyObject {
    return this.#keys.publicKey;
  }

  /** For `jwtVerify`: its key, for tokens that name it. */
  get keyOf(): JWTVerifyGetKey {
    return ({ kid }) => {
      if (kid !== this.keyId) throw new Error(`no key ${String(kid)}`);
      return this.publicKey;
    };
  }

  /** Five minutes from now, unless the shape says otherwise. */
  async token(subject: string, audience: string, shape: TokenShape = {}): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const all: JWTPayload = {
      iss: 'https://oidc.example.org',
      sub: subject,
      aud: [audience],
      iat: now,
      exp: now + 300,
      ...shape.claims,
    };
    const kept = Object.entries(all).filter(([name]) => !(shape.without ?? []).includes(name));
    const header = { alg: this.algorithm, kid: this.keyId, typ: 'JWT', ...shape.header };
    return await new SignJWT(Object.fromEntries(kept) as JWTPayload)
      .setProtectedHeader(header)
      .sign(this.#keys.privateKey);
  }

  /** A JWK Set as the Workload API sends it. */
  async bundle(): Promise<Uint8Array> {
    const key = { ...(await exportJWK(this.publicKey)), kid: this.keyId, use: 'jwt-svid' };
    return new TextEncoder().encode(JSON.stringify({ keys: [key] }));
  }
}
