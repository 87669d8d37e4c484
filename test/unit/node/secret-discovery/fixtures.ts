// A pod's answer with real certificates, and secrets read back out of what is sent.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt';
import type { ServedIdentity, WorkloadBundle } from '../../../../src/node/svid/pod-answer.ts';
import { generateWorkloadKey } from '../../../../src/node/svid/workload-key.ts';
import type { ServedAnswer } from '../../../../src/node/workload/workload-messages.ts';
import { parseSpiffeId } from '../../../../src/spiffe/spiffe-id.ts';
import type {
  DataSource,
  TypedExtensionConfig,
} from '../../../../src/transport/gen/envoy/config/core/v3/core_pb.ts';
import {
  type Secret,
  SecretSchema,
  SPIFFECertValidatorConfigSchema,
} from '../../../../src/transport/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import { TestAuthority } from '../../../fakes/test-authority.ts';

export const NOW = Date.UTC(2026, 0, 1);

export const own = await TestAuthority.create('example.org', NOW);
export const partner = await TestAuthority.create('partner.test', NOW);

export function bundleOf(authority: TestAuthority): WorkloadBundle {
  return {
    trustDomain: authority.trustDomain,
    sequence: 1n,
    x509: authority.root,
    jwks: new Uint8Array(),
    rootNames: new Set(),
    crls: [],
  };
}

export async function identity(path: string): Promise<ServedIdentity> {
  const spiffeId = parseSpiffeId(`spiffe://example.org${path}`);
  const key = await generateWorkloadKey('ec-p256');
  const issued = own.signer.issue({
    publicKey: key.publicKey,
    spiffeId,
    notBefore: NOW - 60_000,
    notAfter: NOW + 3_600_000,
  });
  return {
    entryId: path,
    spiffeId,
    hint: '',
    federatesWith: [],
    jwtDenied: false,
    jwtSingleUse: false,
    sdsDenied: false,
    chain: new Uint8Array(Buffer.concat([issued.certificateDer, own.intermediate])),
    key: key.pkcs8,
    notBefore: issued.notBefore,
    notAfter: issued.notAfter,
  };
}

export function served(
  identities: readonly ServedIdentity[],
  federated: readonly WorkloadBundle[] = [],
): ServedAnswer {
  return { kind: 'served', identities, own: bundleOf(own), federated };
}

export function unpacked(resource: Any): Secret {
  const secret = anyUnpack(resource, SecretSchema);
  assert.ok(secret !== undefined);
  return secret;
}

export function text(source: DataSource | undefined): string {
  return Buffer.from(source?.specifier.value ?? []).toString();
}

/** The authorities of each trust domain that a SPIFFE validator is told of, as DER in base64. */
export function validatorBundles(config: TypedExtensionConfig | undefined): Map<string, string[]> {
  assert.equal(config?.name, 'envoy.tls.cert_validator.spiffe');
  assert.ok(config.typedConfig !== undefined);
  const validator = anyUnpack(config.typedConfig, SPIFFECertValidatorConfigSchema);
  assert.ok(validator !== undefined);
  return new Map(
    validator.trustDomains.map(({ name, trustBundle }) => [name, authorities(text(trustBundle))]),
  );
}

export function authorities(pem: string): string[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ?? [];
  assert.equal(blocks.join(''), pem);
  return blocks.map((block) => new X509Certificate(block).raw.toString('base64'));
}

export function base64(der: Uint8Array): string {
  return Buffer.from(der).toString('base64');
}
