// Admission of the kinds without templates. Upstream checks no ClusterStaticEntry at all; what its
// server would refuse is refused here, where somebody looks.

import { invalid } from '../../base/errors.ts';
import { parseWorkloadSpiffeId, trustDomainOf } from '../../spiffe/spiffe-id.ts';
import { checkDnsNames } from '../../spiffe/x509-svid/dns-name.ts';
import type { JsonValue } from '../../template/json-value.ts';
import { parseClusterFederatedTrustDomain } from '../cluster-federated-trust-domain.ts';
import { parseClusterStaticEntry } from '../cluster-static-entry.ts';
import { parseIdentityRestriction } from '../identity-restriction-policy.ts';
import { CLUSTER_FEDERATED_TRUST_DOMAIN_SCHEMA } from '../schema/cluster-federated-trust-domain-schema.ts';
import { CLUSTER_STATIC_ENTRY_SCHEMA } from '../schema/cluster-static-entry-schema.ts';
import { IDENTITY_RESTRICTION_SCHEMA } from '../schema/identity-restriction-schema.ts';
import {
  type AdmissionFindings,
  admit,
  checkHint,
  checkTtl,
  warnWithoutEffect,
} from './findings.ts';
import type { AdmissionSettings } from './sample.ts';
import { hasField } from './validate-cluster-spiffe-id.ts';

export function validateClusterStaticEntry(
  object: JsonValue | undefined,
  { trustDomain }: AdmissionSettings,
): AdmissionFindings {
  return admit(object, {
    schema: CLUSTER_STATIC_ENTRY_SCHEMA,
    parse: parseClusterStaticEntry,
    judge: (entry, findings) => {
      findings.check('spec.spiffeID', () => parseWorkloadSpiffeId(entry.spiffeId, trustDomain));
      findings.check('spec.parentID', () => {
        const foreign = trustDomainOf(entry.parentId);
        if (foreign !== trustDomain) {
          throw invalid(`SPIFFE ID: trust domain "${foreign}" is not "${trustDomain}"`);
        }
      });
      findings.check('spec.dnsNames', () => checkDnsNames(entry.dnsNames));
      checkHint(entry.hint, findings);
      if (hasField(object, 'x509SVIDTTL')) {
        checkTtl('spec.x509SVIDTTL', entry.x509TtlSeconds, findings);
      }
      if (hasField(object, 'jwtSVIDTTL')) {
        checkTtl('spec.jwtSVIDTTL', entry.jwtTtlSeconds, findings);
      }
      warnWithoutEffect('spec.admin', entry.isAdmin, findings);
      warnWithoutEffect('spec.downstream', entry.isDownstream, findings);
      if (entry.isStored) findings.warn('spec.storeSVID', 'SVIDs are stored nowhere: not served');
      for (const [index, selector] of entry.selectors.entries()) {
        if (/^k8s(_psat)?:/.test(selector)) continue;
        findings.warn(`spec.selectors[${index}]`, `"${selector}" names no pod: not served`);
      }
    },
  });
}

export function validateClusterFederatedTrustDomain(
  object: JsonValue | undefined,
  { trustDomain }: AdmissionSettings,
): AdmissionFindings {
  return admit(object, {
    schema: CLUSTER_FEDERATED_TRUST_DOMAIN_SCHEMA,
    parse: parseClusterFederatedTrustDomain,
    judge: ({ trustDomain: foreign, profile, bootstrapBundle }, findings) => {
      if (foreign === trustDomain) {
        findings.warn('spec.trustDomain', 'is the trust domain of this cluster: no effect');
      }
      if (profile.type === 'https_spiffe' && bootstrapBundle === undefined) {
        findings.warn(
          'spec.trustDomainBundle',
          'without one the endpoint cannot be authenticated until its bundle is there otherwise',
        );
      }
    },
  });
}

export function validateIdentityRestriction(
  object: JsonValue | undefined,
  { trustDomain }: AdmissionSettings,
): AdmissionFindings {
  return admit(object, {
    schema: IDENTITY_RESTRICTION_SCHEMA,
    parse: parseIdentityRestriction,
    judge: ({ match, ...restriction }, findings) => {
      for (const [name, id] of [
        ['spiffeID', match.spiffeId],
        ['spiffeIDPrefix', match.spiffeIdPrefix],
      ] as const) {
        if (id === undefined || trustDomainOf(id) === trustDomain) continue;
        findings.warn(`spec.match.${name}`, 'is in another trust domain: it matches nothing');
      }
      const hasEffect =
        restriction.suspend ||
        restriction.jwtDenied ||
        restriction.sdsDenied ||
        restriction.maxX509TtlSeconds > 0 ||
        restriction.maxJwtTtlSeconds > 0 ||
        restriction.allowedAudiences !== undefined;
      if (!hasEffect) findings.warn('spec', 'restricts nothing');
    },
  });
}
