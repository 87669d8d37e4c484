// What of a pod's answer a name of secret discovery stands for, and that as Envoy's message. The
// names are those of SPIRE's agent: `default`, `ROOTCA`, `ALL`, a SPIFFE ID, a trust domain's ID.

import { createHash } from 'node:crypto';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Any, anyPack } from '@bufbuild/protobuf/wkt';
import { CodedError } from '../../base/errors.ts';
import { splitCertificates } from '../../spiffe/certificate/certificate.ts';
import { formatPem, formatPemCertificate, formatPemCrl } from '../../spiffe/pem.ts';
import { trustDomainId } from '../../spiffe/spiffe-id.ts';
import {
  type CertificateValidationContextSchema,
  SecretSchema,
  SPIFFECertValidatorConfigSchema,
} from '../../transport/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import type { ServedIdentity, WorkloadBundle } from '../svid/pod-answer.ts';
import type { ServedAnswer } from '../workload/workload-messages.ts';

/** The default identity's certificate, the own bundle, and every bundle at once. */
export const DEFAULT_IDENTITY = 'default';
export const OWN_BUNDLE = 'ROOTCA';
export const ALL_BUNDLES = 'ALL';

/**
 * Who judges a peer's chain: Envoy's validator for SPIFFE, which keeps trust domains apart, or its
 * default one, which knows one set of authorities.
 */
export type Validation = 'spiffe' | 'authorities';

export type NamedSecret = {
  readonly name: string;
  /** Of everything that is public in it; a new key comes with a new certificate. */
  readonly digest: string;
  readonly resource: Any;
};

/** A name's secret; or why it must not be handed out; or there is none by that name now. */
export type FoundSecret =
  | { readonly kind: 'secret'; readonly secret: NamedSecret }
  | { readonly kind: 'denied' }
  | { readonly kind: 'absent' };

const SPIFFE_VALIDATOR = 'envoy.tls.cert_validator.spiffe';
const ABSENT: FoundSecret = { kind: 'absent' };

/** Throws `failed-precondition` when the validator cannot express what the name stands for. */
export function findSecret(
  name: string,
  served: ServedAnswer,
  validation: Validation,
): FoundSecret {
  const { own, federated } = served;
  const found = (secret: NamedSecret): FoundSecret => ({ kind: 'secret', secret });
  if (name === OWN_BUNDLE) return found(validationSecret(name, [own], validation));
  if (name === ALL_BUNDLES) return found(validationSecret(name, [own, ...federated], validation));
  const bundle = [own, ...federated].find((each) => trustDomainId(each.trustDomain) === name);
  if (bundle !== undefined) return found(validationSecret(name, [bundle], validation));
  const identity =
    name === DEFAULT_IDENTITY
      ? served.identities[0]
      : served.identities.find(({ spiffeId }) => spiffeId === name);
  if (identity === undefined) return ABSENT;
  return identity.sdsDenied ? { kind: 'denied' } : found(identitySecret(name, identity));
}

/** Every name that has a secret of its own: identities by their IDs, bundles by their domains'. */
export function namesOf({ identities, own, federated }: ServedAnswer): readonly string[] {
  return [
    ...identities.filter(({ sdsDenied }) => !sdsDenied).map(({ spiffeId }) => spiffeId),
    ...[own, ...federated].map(({ trustDomain }) => trustDomainId(trustDomain)),
  ];
}

function identitySecret(name: string, { chain, key }: ServedIdentity): NamedSecret {
  const resource = anyPack(
    SecretSchema,
    create(SecretSchema, {
      name,
      type: {
        case: 'tlsCertificate',
        value: {
          certificateChain: inline(certificates(chain)),
          privateKey: inline(formatPem('PRIVATE KEY', key)),
        },
      },
    }),
  );
  return { name, digest: digestOf('identity', name, chain), resource };
}

function validationSecret(
  name: string,
  bundles: readonly WorkloadBundle[],
  validation: Validation,
): NamedSecret {
  const value = validation === 'spiffe' ? spiffeContext(bundles) : plainContext(name, bundles);
  const resource = anyPack(
    SecretSchema,
    create(SecretSchema, { name, type: { case: 'validationContext', value } }),
  );
  // Envoy's validator for SPIFFE reads no lists: it need not be told of new ones.
  const content = bundles.flatMap(({ trustDomain, x509, crls }) =>
    validation === 'spiffe' ? [trustDomain, x509] : [trustDomain, x509, ...crls],
  );
  return { name, digest: digestOf(validation, name, ...content), resource };
}

type Context = MessageInitShape<typeof CertificateValidationContextSchema>;

/** Each trust domain's peers by its own authorities, and no peer of another domain. */
function spiffeContext(bundles: readonly WorkloadBundle[]): Context {
  const config = create(SPIFFECertValidatorConfigSchema, {
    trustDomains: bundles.map(({ trustDomain, x509 }) => ({
      name: trustDomain,
      trustBundle: inline(certificates(x509)),
    })),
  });
  return {
    customValidatorConfig: {
      name: SPIFFE_VALIDATOR,
      typedConfig: anyPack(SPIFFECertValidatorConfigSchema, config),
    },
  };
}

/**
 * Authorities of several trust domains in one set would let each vouch for peers of the others, so
 * that is refused rather than served.
 */
function plainContext(name: string, bundles: readonly WorkloadBundle[]): Context {
  const [bundle, ...more] = bundles;
  if (bundle === undefined || more.length > 0) {
    throw new CodedError(
      'failed-precondition',
      `resource_names: ${name} has bundles of ${bundles.length} trust domains, which only the SPIFFE validator keeps apart`,
    );
  }
  const trustedCa = inline(certificates(bundle.x509));
  if (bundle.crls.length === 0) return { trustedCa };
  return { trustedCa, crl: inline(bundle.crls.map(formatPemCrl).join('')) };
}

function certificates(concatenated: Uint8Array): string {
  return splitCertificates(concatenated).map(formatPemCertificate).join('');
}

function inline(pem: string) {
  return { specifier: { case: 'inlineBytes' as const, value: new Uint8Array(Buffer.from(pem)) } };
}

/** Parts are told apart by their lengths. */
function digestOf(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex').slice(0, 32);
}
