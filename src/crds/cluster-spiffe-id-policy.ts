// A ClusterSPIFFEID as derivation uses it. Only what makes it unusable is an error here: what is
// already stored and upstream serves stays served, and admission is stricter.

import { parseDurationSeconds } from '../base/duration.ts';
import { parseTrustDomainOrId, type TrustDomain } from '../spiffe/spiffe-id.ts';
import type { JsonValue } from '../template/json-value.ts';
import { parseTemplate, type Template } from '../template/template.ts';
import { pathProvenance } from '../template/value/field-origin.ts';
import { checkClaimName, DEFAULT_CLAIM_NAMES, TRUST_LEVEL_CLAIM } from './claim-names.ts';
import { type FieldReader, parseObject } from './field-reader.ts';
import { type LabelSelector, parseLabelSelector } from './label-selector.ts';
import type { ParseResult, PolicyMeta } from './parse-result.ts';

export type ClusterSpiffeIdPolicy = PolicyMeta & {
  readonly className: string;
  readonly spiffeIdTemplate: Template;
  /** Undefined: every pod. */
  readonly podSelector: LabelSelector | undefined;
  /** Undefined: every namespace. */
  readonly namespaceSelector: LabelSelector | undefined;
  readonly dnsNameTemplates: readonly Template[];
  readonly workloadSelectorTemplates: readonly Template[];
  /** Whole seconds, 0: not set; a negative one is an entry that is refused. */
  readonly x509TtlSeconds: number;
  readonly jwtTtlSeconds: number;
  /** Each once, in the order given. */
  readonly federatesWith: readonly TrustDomain[];
  /** And all whose objects have such labels: `*` is a selector of everything. */
  readonly federatesWithMatching?: LabelSelector | undefined;
  readonly autoPopulateDnsNames: boolean;
  readonly isFallback: boolean;
  readonly hint: string;
  readonly isAdmin: boolean;
  readonly isDownstream: boolean;
  readonly priority: number;
  readonly jwtClaimTemplates: ReadonlyMap<string, Template>;
  /** Whether those may hold what pods' authors write. */
  readonly jwtClaimsFromAuthors: boolean;
  readonly commonNameTemplate: Template | undefined;
  readonly jwtIncludeJti: boolean;
};

/**
 * Reads a ClusterSPIFFEID; the errors name each field and rule. `allowedClaims`: names for
 * jwtClaimTemplates; `*` at an end stands for anything.
 */
export function parseClusterSpiffeId(
  object: JsonValue | undefined,
  allowedClaims: readonly string[] = DEFAULT_CLAIM_NAMES,
): ParseResult<ClusterSpiffeIdPolicy> {
  return parseObject(object, (meta, spec) => ({
    ...meta,
    className: spec.text('className'),
    spiffeIdTemplate: template(spec, 'spiffeIDTemplate', spec.required('spiffeIDTemplate')),
    podSelector: selector(spec, 'podSelector'),
    namespaceSelector: selector(spec, 'namespaceSelector'),
    dnsNameTemplates: templates(spec, 'dnsNameTemplates'),
    workloadSelectorTemplates: templates(spec, 'workloadSelectorTemplates'),
    x509TtlSeconds: readSeconds(spec, 'ttl'),
    jwtTtlSeconds: readSeconds(spec, 'jwtTtl'),
    ...readFederation(spec),
    autoPopulateDnsNames: spec.boolean('autoPopulateDNSNames'),
    isFallback: spec.boolean('fallback'),
    hint: spec.text('hint'),
    isAdmin: spec.boolean('admin'),
    isDownstream: spec.boolean('downstream'),
    priority: spec.integer('priority'),
    jwtClaimTemplates: new Map(
      claims(spec).map(([name, source]) => [
        name,
        claimTemplate(spec, { name, source, allowedClaims }),
      ]),
    ),
    jwtClaimsFromAuthors: spec.boolean('jwtClaimsFromAuthors'),
    commonNameTemplate: spec.has('commonNameTemplate')
      ? template(spec, 'commonNameTemplate', spec.text('commonNameTemplate'))
      : undefined,
    jwtIncludeJti: spec.boolean('jwtIncludeJTI'),
  }));
}

/** Templates of one field: each may cost a whole budget, for every pod. */
const MAX_TEMPLATES = 64;
const MAX_CLAIMS = 32;
const NO_TEMPLATE = parseTemplate('', '');

function template(spec: FieldReader, field: string, source: string): Template {
  return spec.parsed(field, NO_TEMPLATE, () => parseTemplate(field, source));
}

function templates(spec: FieldReader, field: string): readonly Template[] {
  const sources = spec.texts(field);
  if (sources.length > MAX_TEMPLATES) {
    spec.fail(field, `must have at most ${MAX_TEMPLATES} items`);
    return [];
  }
  return sources.map((source, index) => template(spec, `${field}[${index}]`, source));
}

function claims(spec: FieldReader): readonly (readonly [string, string])[] {
  const entries = spec.entries('jwtClaimTemplates');
  if (entries.length <= MAX_CLAIMS) return entries;
  spec.fail('jwtClaimTemplates', `must have at most ${MAX_CLAIMS} entries`);
  return [];
}

type NamedClaim = {
  readonly name: string;
  readonly source: string;
  readonly allowedClaims: readonly string[];
};

function claimTemplate(spec: FieldReader, claim: NamedClaim): Template {
  const field = `jwtClaimTemplates.${claim.name}`;
  spec.parsed(field, undefined, (at) => checkClaimName(claim.name, at, claim.allowedClaims));
  const parsed = template(spec, field, claim.source);
  const written = authoredField(parsed);
  if (written === undefined) return parsed;
  if (claim.name === TRUST_LEVEL_CLAIM) {
    spec.fail(field, `reads ${written}: a trust level is the operator's alone to say`);
  } else if (!spec.boolean('jwtClaimsFromAuthors')) {
    spec.fail(field, `reads ${written}; jwtClaimsFromAuthors: true lets it`);
  }
  return parsed;
}

/** What a claim reads, or is chosen by, that is not the operator's; undefined when all of it is. */
export function authoredField({ fields }: Template): string | undefined {
  for (const path of fields) {
    const from = pathProvenance(path);
    if (from === 'author') return `.${path}, which a pod's author writes`;
    if (from === 'node') return `.${path}, which a node can write`;
  }
  return undefined;
}

function selector(spec: FieldReader, field: string): LabelSelector | undefined {
  const raw = spec.raw(field);
  if (raw === undefined) return undefined;
  return spec.parsed<LabelSelector>(field, { requirements: [] }, (name) =>
    parseLabelSelector(raw, name),
  );
}

/** Whole seconds of a Go duration; 0 when the field is not set. */
export function readSeconds(spec: FieldReader, field: string): number {
  const text = spec.text(field);
  // What is no string has its error already.
  if (typeof spec.raw(field) !== 'string') return 0;
  return spec.parsed(field, 0, (name) => parseDurationSeconds(text, name));
}

/** In a list of trust domains: every one that is declared. */
const EVERY = '*';

function readFederation(spec: FieldReader) {
  // What is no list of strings is said once, below.
  const raw = spec.raw('federatesWith');
  const isEvery = Array.isArray(raw) && raw.includes(EVERY);
  const selected = selector(spec, 'federatesWithSelector');
  return {
    federatesWith: readTrustDomains(spec, 'federatesWith', EVERY),
    federatesWithMatching: isEvery ? { requirements: [] } : selected,
  };
}

/** Trust domains by name or by SPIFFE ID, each once; `except` stands for none. */
export function readTrustDomains(
  spec: FieldReader,
  field: string,
  except?: string,
): readonly TrustDomain[] {
  const read = spec
    .texts(field)
    .map((text, index) =>
      text === except
        ? undefined
        : spec.parsed<TrustDomain | undefined>(`${field}[${index}]`, undefined, () =>
            parseTrustDomainOrId(text),
          ),
    );
  return [...new Set(read.filter((trustDomain) => trustDomain !== undefined))];
}
