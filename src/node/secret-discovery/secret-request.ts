// What an Envoy asks for, read strictly: how much it may ask for is bounded, and a name that can
// never have a secret is refused at once.

import { invalid } from '../../base/errors.ts';
import { parseSpiffeId } from '../../spiffe/spiffe-id.ts';
import { SecretSchema } from '../../transport/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import type { DiscoveryRequest } from '../../transport/gen/envoy/service/discovery/v3/discovery_pb.ts';
import { ALL_BUNDLES, DEFAULT_IDENTITY, OWN_BUNDLE, type Validation } from './secrets.ts';

export type SecretRequest = {
  /** Each once; none: everything, if the stream has never named one. */
  readonly names: readonly string[];
  /** Undefined in a request without a node, which stays as it was. */
  readonly validation: Validation | undefined;
  /** Of the response that this is about; '' when it is about none. */
  readonly nonce: string;
  /** Why that response is rejected, at most so long; undefined when it is not. */
  readonly rejection: string | undefined;
};

export const SECRET_TYPE_URL = `type.googleapis.com/${SecretSchema.typeName}`;

const MAX_NAMES = 128;
const MAX_NONCE_LENGTH = 128;
const MAX_REJECTION_LENGTH = 256;
const SPECIAL: ReadonlySet<string> = new Set([DEFAULT_IDENTITY, OWN_BUNDLE, ALL_BUNDLES]);

/** The metadata by which an Envoy asks for its default validator; a boolean, or one as text. */
const DISABLE_SPIFFE_VALIDATION = 'disable_spiffe_cert_validation';

/** Throws `invalid-argument` naming the field and the rule. */
export function readSecretRequest(request: DiscoveryRequest): SecretRequest {
  const { typeUrl, resourceNames, responseNonce, errorDetail } = request;
  if (typeUrl !== '' && typeUrl !== SECRET_TYPE_URL) {
    throw invalid(`type_url: must be ${SECRET_TYPE_URL}`);
  }
  if (resourceNames.length > MAX_NAMES) throw invalid(`resource_names: more than ${MAX_NAMES}`);
  for (const name of resourceNames) requireName(name);
  if (responseNonce.length > MAX_NONCE_LENGTH) {
    throw invalid(`response_nonce: over ${MAX_NONCE_LENGTH} characters`);
  }
  return {
    names: [...new Set(resourceNames)],
    validation: validationOf(request),
    nonce: responseNonce,
    rejection: errorDetail?.message.slice(0, MAX_REJECTION_LENGTH).toWellFormed(),
  };
}

function requireName(name: string): void {
  if (SPECIAL.has(name)) return;
  try {
    parseSpiffeId(name);
  } catch (thrown) {
    const names = [...SPECIAL].join(', ');
    throw invalid(`resource_names: neither a SPIFFE ID nor one of ${names}`, thrown);
  }
}

/** The SPIFFE validator from Envoy 1.18 on, unless it is asked not to; others get the plain form. */
function validationOf({ node }: DiscoveryRequest): Validation | undefined {
  if (node === undefined) return undefined;
  const disabled = node.metadata?.[DISABLE_SPIFFE_VALIDATION];
  if (disabled === true || disabled === 'true') return 'authorities';
  const { case: kind, value } = node.userAgentVersionType;
  const version = kind === 'userAgentBuildVersion' ? value.version : undefined;
  if (version === undefined) return 'authorities';
  const { majorNumber, minorNumber } = version;
  return majorNumber > 1 || (majorNumber === 1 && minorNumber >= 18) ? 'spiffe' : 'authorities';
}
