// Admission of a ClusterSPIFFEID: as upstream's webhook, and what its server would only refuse
// later (compatibility A1–A14).

import { invalid } from '../../base/errors.ts';
import { checkDnsName, checkDnsNames } from '../../spiffe/x509-svid/dns-name.ts';
import { isJsonObject, type JsonValue, ownValue } from '../../template/json-value.ts';
import type { Template } from '../../template/template.ts';
import { checkClaimValues, TRUST_LEVEL_CLAIM } from '../claim-names.ts';
import {
  authoredField,
  type ClusterSpiffeIdPolicy,
  parseClusterSpiffeId,
} from '../cluster-spiffe-id-policy.ts';
import { COMMON_NAME } from '../entry-limits.ts';
import { CLUSTER_SPIFFE_ID_SCHEMA } from '../schema/cluster-spiffe-id-schema.ts';
import { checkSelectorForm } from '../workload-selector.ts';
import {
  type AdmissionFindings,
  admit,
  checkHint,
  checkTtl,
  type Findings,
  warnWithoutEffect,
} from './findings.ts';
import type { AdmissionSettings } from './sample.ts';
import { tryIdTemplate, tryTemplate } from './try-template.ts';

/** Never throws for what the object holds. */
export function validateClusterSpiffeId(
  object: JsonValue | undefined,
  settings: AdmissionSettings,
): AdmissionFindings {
  return admit(object, {
    schema: CLUSTER_SPIFFE_ID_SCHEMA,
    parse: (value) => parseClusterSpiffeId(value, settings.claimNames),
    judge: (policy, findings) => {
      if (hasField(object, 'ttl')) checkTtl('spec.ttl', policy.x509TtlSeconds, findings);
      if (hasField(object, 'jwtTtl')) checkTtl('spec.jwtTtl', policy.jwtTtlSeconds, findings);
      checkHint(policy.hint, findings);
      warnWithoutEffect('spec.admin', policy.isAdmin, findings);
      warnWithoutEffect('spec.downstream', policy.isDownstream, findings);
      tryTemplates(policy, settings, findings);
      judgeTrustLevel(policy, settings, findings);
    },
  });
}

/** Whoever makes pods sets their labels: a level that labels select is theirs to take or to leave. */
function judgeTrustLevel(
  { podSelector, jwtClaimTemplates }: ClusterSpiffeIdPolicy,
  { profile }: AdmissionSettings,
  findings: Findings,
): void {
  const isByLabel = (podSelector?.requirements.length ?? 0) > 0;
  if (!isByLabel || !jwtClaimTemplates.has(TRUST_LEVEL_CLAIM)) return;
  const rule = `a pod's author chooses ${TRUST_LEVEL_CLAIM} by its labels; select by namespaceSelector`;
  if (profile === 'strict') findings.error('spec.podSelector', rule);
  else findings.warn('spec.podSelector', rule);
}

/** Whether a field of the spec is set; null is not. */
export function hasField(object: JsonValue | undefined, field: string): boolean {
  const spec = isJsonObject(object) ? ownValue(object, 'spec') : undefined;
  return isJsonObject(spec) && (ownValue(spec, field) ?? null) !== null;
}

function tryTemplates(
  policy: ClusterSpiffeIdPolicy,
  settings: AdmissionSettings,
  findings: Findings,
): void {
  const attempt = (field: string, template: Template, rule: (text: string) => void) => {
    const made = tryTemplate(template, { field, settings, findings });
    if (made !== undefined) findings.check(field, () => rule(made.text), made.isCertain);
    return made?.text;
  };
  const field = 'spec.spiffeIDTemplate';
  tryIdTemplate(policy.spiffeIdTemplate, { field, settings, findings });
  for (const [index, template] of policy.workloadSelectorTemplates.entries()) {
    attempt(`spec.workloadSelectorTemplates[${index}]`, template, checkSelectorForm);
  }
  const names = policy.dnsNameTemplates.map((template, index) =>
    attempt(`spec.dnsNameTemplates[${index}]`, template, checkDnsName),
  );
  // A repeated name collapses; one that differs in case only does not.
  const unique = [...new Set(names.filter((name) => name !== undefined))];
  if (findings.errors.length === 0 && findings.warnings.length === 0) {
    findings.check('spec.dnsNameTemplates', () => checkDnsNames(unique), false);
  }
  for (const [name, template] of policy.jwtClaimTemplates) {
    const claim = `spec.jwtClaimTemplates.${name}`;
    attempt(claim, template, (text) =>
      checkClaimValues({ [name]: text }, 'spec.jwtClaimTemplates'),
    );
    const written = authoredField(template);
    if (written !== undefined) {
      findings.warn(claim, `reads ${written}: nothing must be decided by it`);
    }
  }
  if (policy.jwtClaimsFromAuthors && policy.jwtClaimTemplates.size === 0) {
    findings.warn('spec.jwtClaimsFromAuthors', 'has no effect without jwtClaimTemplates');
  }
  if (policy.commonNameTemplate !== undefined) {
    attempt('spec.commonNameTemplate', policy.commonNameTemplate, checkCommonName);
  }
}

function checkCommonName(name: string): void {
  if (COMMON_NAME.test(name)) return;
  throw invalid('a common name is 1 to 64 of A-Z a-z 0-9 . _ @ -');
}
