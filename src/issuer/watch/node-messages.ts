// What the issuer knows, as messages to a node plugin. Each is the complete present answer for its
// subject.

import { hash } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Bundle } from '../../spiffe/bundle/bundle.ts';
import { formatJwtBundle } from '../../spiffe/bundle/bundle-format.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import type { ToNodeSchema } from '../../transport/gen/signet/issuer_pb.ts';
import type { NodeAudit } from '../audit/node-audit.ts';
import type { SigningAuthorities } from '../authority/signing-authorities.ts';
import type { IssuableEntry, IssuablePod } from '../pod-source.ts';
import { x509TtlSeconds } from '../policy/signing-policy.ts';

export type ToNode = MessageInitShape<typeof ToNodeSchema>;

const DIGEST_BYTES = 16;
/** Made once for each bundle, and not once more for each node. */
const jwksOfBundles = new WeakMap<Bundle, Uint8Array>();

export function bundlesMessage(
  { bundle, jwks }: SigningAuthorities,
  federated: readonly Bundle[],
  { restrictionVersion, crls }: { restrictionVersion: bigint; crls: readonly Uint8Array[] },
): ToNode {
  return {
    message: {
      case: 'bundles',
      value: {
        own: bundleOf(bundle, jwks),
        federated: federated.map((other) => bundleOf(other, jwksOf(other))),
        restrictionVersion,
        crls: [...crls],
      },
    },
  };
}

/** `federatesWith` resolves what an entry selects. */
export function podMessage(
  pod: IssuablePod,
  federatesWith: (entry: IssuableEntry) => readonly TrustDomain[],
): ToNode {
  return {
    message: {
      case: 'podIdentities',
      value: {
        podUid: pod.uid,
        namespace: pod.namespace,
        name: pod.name,
        serviceAccount: pod.serviceAccount,
        version: pod.version,
        entries: pod.entries.map((entry) => entryOf(entry, federatesWith(entry))),
        refusal: pod.entries.length === 0 ? pod.refusal : '',
        volumes: pod.volumes.map(({ name, attributes }) => ({ name, attributes })),
      },
    },
  };
}

export function podGoneMessage(podUid: string, version: bigint): ToNode {
  return { message: { case: 'podGone', value: { podUid, version } } };
}

export function syncedMessage(version: bigint): ToNode {
  return { message: { case: 'synced', value: { version } } };
}

export function checkpointMessages(nodeAudit: NodeAudit | undefined): readonly ToNode[] {
  const value = nodeAudit?.checkpoint;
  return value === undefined ? [] : [{ message: { case: 'auditCheckpoint', value } }];
}

function jwksOf(bundle: Bundle): Uint8Array {
  const jwks = jwksOfBundles.get(bundle) ?? formatJwtBundle(bundle);
  jwksOfBundles.set(bundle, jwks);
  return jwks;
}

function bundleOf(bundle: Bundle, jwtAuthorities: Uint8Array) {
  return {
    trustDomain: bundle.trustDomain,
    sequence: BigInt(bundle.sequence ?? 0),
    x509Authorities: [...bundle.x509Authorities],
    jwtAuthorities,
  };
}

function entryOf(entry: IssuableEntry, federatesWith: readonly TrustDomain[]) {
  return {
    entryId: entry.entryId,
    spiffeId: entry.spiffeId,
    hint: entry.hint,
    federatesWith: [...federatesWith],
    jwtDenied: entry.limits.jwtDenied,
    contentDigest: contentDigest(entry),
    jwtSingleUse: entry.jwtIncludeJti,
    sdsDenied: entry.limits.sdsDenied,
  };
}

/** Of all that shapes the SVID. Not of what is shown beside it, nor of who signs. */
export function contentDigest(entry: IssuableEntry): Uint8Array {
  const { spiffeId, dnsNames, commonName } = entry;
  const content = JSON.stringify([spiffeId, dnsNames, commonName, x509TtlSeconds(entry)]);
  return hash('sha256', content, 'buffer').subarray(0, DIGEST_BYTES);
}
