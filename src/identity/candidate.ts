// What one policy makes of one pod that it selects, before other policies are looked at. Rendering
// comes first, then what an SVID may be; the text of a template is never mended (SPIFFE-ID §2).

import { CodedError, invalid } from '../base/errors.ts';
import { checkClaimValues } from '../crds/claim-names.ts';
import type { ClusterSpiffeIdPolicy } from '../crds/cluster-spiffe-id-policy.ts';
import { MAX_HINT_BYTES } from '../crds/entry-limits.ts';
import { checkSelectorForm } from '../crds/workload-selector.ts';
import {
  isReservedPath,
  parseSpiffeId,
  pathOf,
  type SpiffeId,
  trustDomainOf,
} from '../spiffe/spiffe-id.ts';
import type { Template, TemplateData } from '../template/template.ts';
import { checkCertificateNames, checkCommonName, commonNameFrom } from './certificate-names.ts';
import { fixedCandidate, NOT_SCHEDULED, unknownNode } from './fixed-candidate.ts';
import { checkForgeable } from './forgeable.ts';
import { type Policy, readsNode } from './policy.ts';
import type { IdentitySettings } from './settings.ts';
import {
  judgeSelectors,
  type SelectorSubject,
  type SelectorVerdict,
} from './workload-selectors.ts';

/** Why a policy gives a pod nothing, beside the reasons that other policies bring. */
export type CandidateReason =
  /** A template failed, or made something that is no SPIFFE ID of the trust domain. */
  | 'RenderFailed'
  /** Rendered, but no SVID may say it. */
  | 'EntryRefused'
  /** An object that a template reads is not known yet: nothing can be said either way. */
  | 'ViewBehind';

/** What the policy's templates made. */
export type Entry = {
  readonly kind: 'entry';
  readonly policy: Policy;
  /** '': this pod on its node, as policies have it; else the parent that a static entry names. */
  readonly scope: string;
  readonly spiffeId: SpiffeId;
  /** Rendered workload selectors, each once, sorted. */
  readonly selectors: readonly string[];
  /** Whether they hold for the whole pod. */
  readonly verdict: SelectorVerdict;
  readonly dnsNames: readonly string[];
  readonly commonName: string;
  readonly jwtClaims: Readonly<Record<string, string>>;
};

export type Failure = {
  readonly kind: 'failure';
  readonly policy: Policy;
  readonly reason: CandidateReason;
  readonly message: string;
};

export type Candidate = Entry | Failure;

export type CandidateContext = SelectorSubject & {
  readonly settings: IdentitySettings;
  readonly data: TemplateData;
  readonly serviceNames: () => readonly string[];
};

const NONE: readonly string[] = [];
const NO_CLAIMS: Readonly<Record<string, string>> = {};
const NO_VALUE = '<no value>';

/** Never throws: what goes wrong for a pod is that pod's failure. */
export function makeCandidate(policy: Policy, context: CandidateContext): Candidate {
  if (policy.entry !== undefined) return fixedCandidate(policy, policy.entry, context);
  const { data, pod } = context;
  // Upstream counts this as a failure to render (compatibility A23).
  if (pod.nodeName === '') {
    return { kind: 'failure', policy, reason: 'RenderFailed', message: NOT_SCHEDULED };
  }
  if (data.node === undefined && readsNode(policy)) {
    return { kind: 'failure', policy, reason: 'ViewBehind', message: unknownNode(pod) };
  }
  let reason: CandidateReason = 'RenderFailed';
  try {
    const spiffeId = renderSpiffeId(policy, data, context.settings);
    const selectors = renderSelectors(policy, data);
    const rendered = policy.dnsNameTemplates.length === 0 ? NONE : renderDnsNames(policy, data);
    const jwtClaims = policy.jwtClaimTemplates.size === 0 ? NO_CLAIMS : renderClaims(policy, data);
    const namedBy = policy.commonNameTemplate;
    const asked = namedBy === undefined ? '' : renderValue(namedBy, data, 'commonNameTemplate');
    reason = 'EntryRefused';
    checkWorkloadId(spiffeId);
    checkLimits(policy);
    if (jwtClaims !== NO_CLAIMS) checkClaimValues(jwtClaims, 'jwtClaimTemplates');
    if (namedBy !== undefined) checkCommonName(asked);
    if (context.settings.profile === 'strict') checkForgeable(policy, data);
    const dnsNames = policy.autoPopulateDnsNames
      ? unique([...rendered, ...context.serviceNames()])
      : rendered;
    if (dnsNames.length > 0) {
      const { namespace } = pod;
      checkCertificateNames({ rendered, all: dnsNames, namespace }, context.settings);
    }
    const verdict = selectors.length === 0 ? 'holds' : judgeSelectors(selectors, context);
    const commonName = namedBy === undefined ? commonNameFrom(dnsNames, context.settings) : asked;
    return {
      kind: 'entry',
      policy,
      scope: '',
      spiffeId,
      selectors,
      verdict,
      dnsNames,
      commonName,
      jwtClaims,
    };
  } catch (thrown) {
    const { code, message } = CodedError.from(thrown);
    if (code === 'internal') throw thrown;
    return { kind: 'failure', policy, reason, message };
  }
}

function renderSpiffeId(
  policy: ClusterSpiffeIdPolicy,
  data: TemplateData,
  { trustDomain }: IdentitySettings,
): SpiffeId {
  const id = parseSpiffeId(policy.spiffeIdTemplate.render(data));
  if (trustDomainOf(id) !== trustDomain) {
    throw invalid(`SPIFFE ID: trust domain "${trustDomainOf(id)}" is not "${trustDomain}"`);
  }
  return id;
}

function renderSelectors(policy: ClusterSpiffeIdPolicy, data: TemplateData): readonly string[] {
  if (policy.workloadSelectorTemplates.length === 0) return NONE;
  const selectors = policy.workloadSelectorTemplates.map((template) => {
    const selector = renderValue(template, data, 'workloadSelectorTemplates');
    checkSelectorForm(selector);
    return selector;
  });
  return unique(selectors).toSorted();
}

function renderDnsNames(policy: ClusterSpiffeIdPolicy, data: TemplateData): readonly string[] {
  return unique(
    policy.dnsNameTemplates.map((template) => renderValue(template, data, 'dnsNameTemplates')),
  );
}

function renderClaims(
  policy: ClusterSpiffeIdPolicy,
  data: TemplateData,
): Readonly<Record<string, string>> {
  const claims = [...policy.jwtClaimTemplates].map(([name, template]) => [
    name,
    renderValue(template, data, `jwtClaimTemplates.${name}`),
  ]);
  return Object.fromEntries(claims) as Record<string, string>;
}

// Upstream stores `<no value>` as it is; a name or selector that says so is never what was meant.
function renderValue(template: Template, data: TemplateData, field: string): string {
  const value = template.render(data);
  if (value.includes(NO_VALUE)) throw invalid(`${field}: a value it reads is missing`);
  return value;
}

// X509-SVID §3.1 and the paths of our own processes.
function checkWorkloadId(spiffeId: SpiffeId): void {
  const path = pathOf(spiffeId);
  if (path === '') throw invalid('SPIFFE ID: a workload must have a path');
  if (isReservedPath(path)) throw invalid(`SPIFFE ID: path "${path}" is reserved`);
}

function checkLimits(policy: ClusterSpiffeIdPolicy): void {
  if (policy.x509TtlSeconds < 0) throw invalid('ttl: must not be negative');
  if (policy.jwtTtlSeconds < 0) throw invalid('jwtTtl: must not be negative');
  if (policy.hint !== '' && Buffer.byteLength(policy.hint) > MAX_HINT_BYTES) {
    throw invalid(`hint: over ${MAX_HINT_BYTES} bytes`);
  }
}

function unique(values: readonly string[]): readonly string[] {
  return values.length < 2 ? values : [...new Set(values)];
}
