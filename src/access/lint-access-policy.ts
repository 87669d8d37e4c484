// What is probably not meant in an access policy that is well formed.

import type { AccessPolicy, AccessRule } from './access-policy.ts';
import { coversPattern, type SpiffeIdPattern } from './spiffe-id-pattern.ts';

export type AccessFinding = {
  /** Constant: `NobodyMay`, `CoveredByRule`, `WholeTrustDomain`, `AnyNamespace`. */
  readonly reason: string;
  /** Rule, or operation for `NobodyMay`. */
  readonly subject: string;
  readonly message: string;
};

/** In the order of the policy; empty when there is nothing to say. */
export function lintAccessPolicy({ operations, rules }: AccessPolicy): readonly AccessFinding[] {
  const nobody = [...operations]
    .filter((operation) => !rules.some((rule) => rule.operations.has(operation)))
    .map((operation) => ({
      reason: 'NobodyMay',
      subject: operation,
      message: 'no rule grants this operation',
    }));
  return [...nobody, ...rules.flatMap((rule) => [...lintRule(rule, rules)])];
}

function* lintRule(rule: AccessRule, rules: readonly AccessRule[]): Generator<AccessFinding> {
  const covering = rules.find(
    (other) =>
      other !== rule &&
      covers(other, rule) &&
      // Of two that say the same, the later one is the one too many.
      (!covers(rule, other) || rules.indexOf(other) < rules.indexOf(rule)),
  );
  if (covering !== undefined) {
    yield {
      reason: 'CoveredByRule',
      subject: rule.name,
      message: `everything it grants is granted by ${covering.name}`,
    };
  }
  for (const pattern of rule.peers) {
    if (pattern.isOpen && pattern.segments.every((segment) => segment === '*')) {
      yield {
        reason: 'WholeTrustDomain',
        subject: rule.name,
        message: `${pattern.text} is every workload of ${pattern.trustDomain}, those to come as well`,
      };
    } else if (isAnyNamespace(pattern)) {
      yield {
        reason: 'AnyNamespace',
        subject: rule.name,
        message: `${pattern.text} leaves the namespace open: whoever names a ServiceAccount alike is meant`,
      };
    }
  }
}

function covers(outer: AccessRule, inner: AccessRule): boolean {
  return (
    [...inner.operations].every((operation) => outer.operations.has(operation)) &&
    inner.peers.every((pattern) => outer.peers.some((wide) => coversPattern(wide, pattern)))
  );
}

/** Of the usual form ns/NAMESPACE/sa/NAME. */
function isAnyNamespace({ segments }: SpiffeIdPattern): boolean {
  const at = segments.indexOf('ns');
  return at !== -1 && segments[at + 1] === '*';
}
