// A ClusterFederatedTrustDomain, read as upstream's webhook reads it (compatibility D1–D6).

import { invalid } from '../base/errors.ts';
import { type ParsedBundle, parseSpiffeBundle } from '../spiffe/bundle/bundle-parse.ts';
import {
  parseSpiffeId,
  parseTrustDomainOrId,
  type SpiffeId,
  type TrustDomain,
} from '../spiffe/spiffe-id.ts';
import type { JsonValue } from '../template/json-value.ts';
import { type FieldReader, parseObject } from './field-reader.ts';
import type { ParseResult, PolicyMeta } from './parse-result.ts';

export type EndpointProfile =
  | { readonly type: 'https_web' }
  | { readonly type: 'https_spiffe'; readonly endpointId: SpiffeId };

export type ClusterFederatedTrustDomain = PolicyMeta & {
  readonly className: string;
  readonly trustDomain: TrustDomain;
  /** An https URL with a host and without user info, as it was written. */
  readonly bundleEndpointUrl: string;
  readonly profile: EndpointProfile;
  /** The bundle to begin with; undefined when the object has none. */
  readonly bootstrapBundle: ParsedBundle | undefined;
};

const MAX_URL = 2048;

/** Reads a ClusterFederatedTrustDomain; keys of its bundle that cannot be used are warnings. */
export function parseClusterFederatedTrustDomain(
  object: JsonValue | undefined,
): ParseResult<ClusterFederatedTrustDomain> {
  const result = parseObject(object, (meta, spec) => {
    const trustDomain = readTrustDomain(spec);
    return {
      ...meta,
      className: spec.text('className'),
      trustDomain,
      bundleEndpointUrl: readUrl(spec),
      profile: readProfile(spec.object('bundleEndpointProfile')),
      bootstrapBundle: readBundle(spec, trustDomain),
    };
  });
  const ignored = result.value?.bootstrapBundle?.ignored ?? [];
  return { ...result, warnings: ignored.map((why) => `spec.trustDomainBundle: ignored ${why}`) };
}

const NO_TRUST_DOMAIN = parseTrustDomainOrId('invalid');

function readTrustDomain(spec: FieldReader): TrustDomain {
  const text = spec.required('trustDomain');
  if (text === '') return NO_TRUST_DOMAIN;
  return spec.parsed('trustDomain', NO_TRUST_DOMAIN, () => parseTrustDomainOrId(text));
}

function readUrl(spec: FieldReader): string {
  const url = spec.required('bundleEndpointURL');
  return url === '' ? '' : spec.parsed('bundleEndpointURL', '', () => requireHttps(url));
}

// Looked at as it is written: the URL parser would find a host in `https:///host` too.
function requireHttps(url: string): string {
  if (url.length > MAX_URL) throw invalid(`over ${MAX_URL} characters`);
  const [, authority] = /^https:\/\/([^/?#]*)/i.exec(url) ?? [];
  if (authority === undefined) throw invalid('must start with https://');
  if (authority === '') throw invalid('must have a host');
  if (authority.includes('@')) throw invalid('must not have a user name');
  if (/[\s\\]/.test(url) || !URL.canParse(url)) throw invalid('must be a URL');
  return url;
}

function readProfile(profile: FieldReader): EndpointProfile {
  const type = profile.required('type');
  const id = profile.text('endpointSPIFFEID');
  if (type === 'https_spiffe') {
    const text = profile.required('endpointSPIFFEID');
    if (text === '') return { type: 'https_web' };
    const read = () => ({ type, endpointId: parseSpiffeId(text) }) as const;
    return profile.parsed<EndpointProfile>('endpointSPIFFEID', { type: 'https_web' }, read);
  }
  if (type !== 'https_web' && type !== '') {
    profile.fail('type', 'must be one of https_spiffe, https_web');
  } else if (id !== '') {
    profile.fail('endpointSPIFFEID', 'must not be set with https_web');
  }
  return { type: 'https_web' };
}

function readBundle(spec: FieldReader, trustDomain: TrustDomain): ParsedBundle | undefined {
  const text = spec.text('trustDomainBundle');
  if (text === '') return undefined;
  return spec.parsed<ParsedBundle | undefined>('trustDomainBundle', undefined, () =>
    parseSpiffeBundle(Buffer.from(text), trustDomain),
  );
}
