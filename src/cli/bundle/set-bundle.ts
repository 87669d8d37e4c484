// Gives a declared trust domain the bundle to begin with: the one thing that an operator brings from the
// other side by hand, and the way to undo a rollback that was meant.

import { readFileSync } from 'node:fs';
import { CodedError, invalid } from '../../base/errors.ts';
import { parseClusterFederatedTrustDomain } from '../../crds/cluster-federated-trust-domain.ts';
import { documentOf } from '../../federation/federated-bundle.ts';
import { type KubeClient, segment } from '../../kube/kube-client.ts';
import { metadataText } from '../../kube/object-key.ts';
import type { Bundle } from '../../spiffe/bundle/bundle.ts';
import { MAX_BUNDLE_BYTES, parseSpiffeBundle } from '../../spiffe/bundle/bundle-parse.ts';
import { parsePemCertificates } from '../../spiffe/pem.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import type { JsonObject } from '../../template/json-value.ts';
import { ClusterReader } from '../cluster/reader.ts';

const COLLECTION = '/apis/spire.spiffe.io/v1alpha1/clusterfederatedtrustdomains';

/**
 * A bundle of a file, `-` or nothing: standard input; a SPIFFE bundle, or certificates in PEM. Throws
 * `invalid-argument` for one without any key that can be used.
 */
export function readBundleFile(file: string | undefined, trustDomain: TrustDomain): Bundle {
  const bytes = readFileSync(file === undefined || file === '-' ? 0 : file);
  if (bytes.length > MAX_BUNDLE_BYTES) throw invalid(`over ${MAX_BUNDLE_BYTES} bytes`);
  const text = bytes.toString('utf8');
  const document = text.includes('-----BEGIN ') ? fromPem(text) : bytes;
  const { bundle, ignored } = parseSpiffeBundle(document, trustDomain);
  if (bundle.x509Authorities.length + bundle.jwtAuthorities.size === 0) {
    throw invalid(['bundle: has no key that can be used', ...ignored].join('; '));
  }
  return bundle;
}

// By way of the document, so that both forms are read by the same rules.
function fromPem(text: string): Uint8Array {
  const keys = parsePemCertificates(text).map((der) => ({
    use: 'x509-svid',
    x5c: [Buffer.from(der).toString('base64')],
  }));
  return Buffer.from(JSON.stringify({ keys }));
}

/** The name of the object that was changed. Throws `not-found` where nothing declares it. */
export async function setBundle(
  client: KubeClient,
  bundle: Bundle,
  signal: AbortSignal,
): Promise<string> {
  const { trustDomain } = bundle;
  const objects = (await new ClusterReader(client, signal).list(COLLECTION)) ?? [];
  const [object, ...more] = objects.filter((each) => declares(each, trustDomain));
  if (object === undefined) {
    const message = `no ClusterFederatedTrustDomain declares ${trustDomain}`;
    throw new CodedError('not-found', message);
  }
  if (more.length > 0) {
    const names = [object, ...more].map((each) => metadataText(each, 'name')).join(', ');
    throw new CodedError('failed-precondition', `${names} all declare ${trustDomain}`);
  }
  const name = metadataText(object, 'name');
  const [uid, resourceVersion] = ['uid', 'resourceVersion'].map((key) => metadataText(object, key));
  await client.send({
    method: 'PATCH',
    path: `${COLLECTION}/${segment(name)}`,
    contentType: 'application/merge-patch+json',
    body: {
      metadata: { uid: uid ?? '', resourceVersion: resourceVersion ?? '' },
      spec: { trustDomainBundle: documentOf(bundle) },
    },
    signal,
  });
  return name;
}

function declares(object: JsonObject, trustDomain: TrustDomain): boolean {
  // Its bundle may be what is wrong with it.
  const spec = { ...(object['spec'] as JsonObject | undefined), trustDomainBundle: '' };
  return parseClusterFederatedTrustDomain({ ...object, spec }).value?.trustDomain === trustDomain;
}
