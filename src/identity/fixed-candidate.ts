// What a static entry makes of one pod: nothing is rendered, so all there is to decide is whether the
// pod and its node are among those that it names.

import type { Candidate, CandidateContext } from './candidate.ts';
import { isAgentId, judgeNode } from './node-rule.ts';
import type { PodObject } from './objects.ts';
import type { FixedEntry, Policy } from './policy.ts';
import { judgeSelectors } from './workload-selectors.ts';

export const NOT_SCHEDULED = 'the pod is not scheduled';
const NO_CLAIMS: Readonly<Record<string, string>> = {};

/** Everything that is the same for all pods was judged before the entry became a policy. */
export function fixedCandidate(
  policy: Policy,
  entry: FixedEntry,
  context: CandidateContext,
): Candidate {
  const { data, pod } = context;
  const { spiffeId, parentId, selectors, dnsNames, commonName, nodes } = entry;
  const bySelectors = judgeSelectors(selectors, context);
  if (bySelectors !== 'fails' && pod.nodeName === '') {
    return { kind: 'failure', policy, reason: 'RenderFailed', message: NOT_SCHEDULED };
  }
  const byNode = bySelectors === 'fails' ? 'fails' : judgeNode(nodes, pod.nodeName, data.node);
  if (byNode === 'unknown') {
    return { kind: 'failure', policy, reason: 'ViewBehind', message: unknownNode(pod) };
  }
  const verdict = byNode === 'fails' ? 'fails' : bySelectors;
  const own = `k8s:pod-uid:${pod.uid}`;
  const isPods = verdict !== 'fails' && isAgentId(parentId) && selectors.includes(own);
  return {
    kind: 'entry',
    policy,
    scope: isPods ? '' : parentId,
    spiffeId,
    selectors: isPods ? selectors.filter((selector) => selector !== own) : selectors,
    verdict,
    dnsNames,
    commonName,
    jwtClaims: NO_CLAIMS,
  };
}

export function unknownNode({ nodeName }: PodObject): string {
  return `node "${nodeName}" is not known yet`;
}
