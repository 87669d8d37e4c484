// What a ClusterStaticEntry comes to before any pod is looked at: a policy about the pods that its
// selectors name, or the reason why nobody can be served by it. Nothing is guessed: what a pod and
// its node do not decide is said to be so (compatibility B1–B10).

import { CodedError, invalid } from '../base/errors.ts';
import type { ClusterStaticEntry } from '../crds/cluster-static-entry.ts';
import { MAX_HINT_BYTES } from '../crds/entry-limits.ts';
import type { Requirement } from '../crds/label-selector.ts';
import { parseWorkloadSpiffeId, trustDomainOf } from '../spiffe/spiffe-id.ts';
import { parseTemplate } from '../template/template.ts';
import { checkCertificateNames, commonNameFrom } from './certificate-names.ts';
import { agentRule, aliasRule, type NodeRuling, serverId } from './node-rule.ts';
import {
  POD_ACCOUNT,
  POD_FULL_ACCOUNT,
  POD_NAME,
  POD_NAMESPACE,
  POD_NODE,
  POD_UID,
} from './objects.ts';
import type { NodeRule, Policy } from './policy.ts';
import type { IdentitySettings } from './settings.ts';
import { isDecidable, splitTwice } from './workload-selectors.ts';

export type Standing =
  | { readonly kind: 'policy'; readonly policy: Policy }
  /** Another name for nodes, which other entries have as their parent. */
  | { readonly kind: 'alias'; readonly rule: NodeRule | undefined }
  | {
      readonly kind: 'none';
      readonly reason: 'EntryRefused' | 'Unsupported' | 'NoNode';
      readonly message: string;
    };

/** As it is in the index: no ClusterSPIFFEID has such a name. */
export function staticPolicyName(name: string): string {
  return `ClusterStaticEntry/${name}`;
}

/** `aliases` are the rulings of entries whose SPIFFE ID is the parent. */
export function standingOf(
  entry: ClusterStaticEntry,
  aliases: readonly NodeRule[],
  settings: IdentitySettings,
): Standing {
  try {
    checkEntry(entry, settings);
  } catch (thrown) {
    const { code, message } = CodedError.from(thrown);
    if (code !== 'invalid-argument') throw thrown;
    return { kind: 'none', reason: 'EntryRefused', message };
  }
  const unsupported = unsupportedIn(entry, settings);
  if (unsupported !== undefined)
    return { kind: 'none', reason: 'Unsupported', message: unsupported };
  if (isAlias(entry, settings)) return aliasStanding(aliasRule(entry.selectors, settings));
  const agent = agentRule(entry.parentId, settings);
  if (agent !== undefined && agent.rule === undefined) {
    return { kind: 'none', reason: 'NoNode', message: 'parentID: an agent of another cluster' };
  }
  const nodes = agent?.rule === undefined ? aliases : [agent.rule, ...aliases];
  if (nodes.length === 0) {
    const message = `parentID: ${entry.parentId} is neither an agent on a node of this cluster nor the spiffeID of a ClusterStaticEntry that names such nodes`;
    return { kind: 'none', reason: 'Unsupported', message };
  }
  return { kind: 'policy', policy: policyOf(entry, nodes, settings) };
}

/** Whether an entry gives nodes another name. */
export function isAlias({ parentId }: ClusterStaticEntry, settings: IdentitySettings): boolean {
  return parentId === serverId(settings);
}

function aliasStanding({ rule, undecidable }: NodeRuling & { undecidable?: string }): Standing {
  if (undecidable !== undefined)
    return { kind: 'none', reason: 'Unsupported', message: undecidable };
  return { kind: 'alias', rule };
}

// What upstream's server refuses.
function checkEntry(entry: ClusterStaticEntry, settings: IdentitySettings): void {
  const { trustDomain } = settings;
  parseWorkloadSpiffeId(entry.spiffeId, trustDomain);
  const parentDomain = trustDomainOf(entry.parentId);
  if (parentDomain !== trustDomain) {
    throw invalid(`parentID: trust domain "${parentDomain}" is not "${trustDomain}"`);
  }
  if (entry.x509TtlSeconds < 0) throw invalid('x509SVIDTTL: must not be negative');
  if (entry.jwtTtlSeconds < 0) throw invalid('jwtSVIDTTL: must not be negative');
  if (Buffer.byteLength(entry.hint) > MAX_HINT_BYTES) {
    throw invalid(`hint: over ${MAX_HINT_BYTES} bytes`);
  }
  checkDnsNames(entry, settings);
  // Whoever may make a ServiceAccount or a label of the right name would get the identity.
  if (settings.profile === 'strict' && !isAlias(entry, settings) && !isBound(entry)) {
    throw invalid('selectors: bind the ID to no namespace');
  }
}

// Names of Services are those of a namespace: the one that the entry is bound to, if it is.
function checkDnsNames({ dnsNames, selectors }: ClusterStaticEntry, settings: IdentitySettings) {
  if (dnsNames.length === 0) return;
  const names = [...new Set(dnsNames)];
  const inNamespace = selectors.find((selector) => selector.startsWith(IN_NAMESPACE));
  const namespace = inNamespace?.slice(IN_NAMESPACE.length) ?? '';
  checkCertificateNames({ rendered: names, all: names, namespace }, settings);
}

function isBound({ selectors }: ClusterStaticEntry): boolean {
  return selectors.some(
    (selector) => selector.startsWith(IN_NAMESPACE) || selector.startsWith('k8s:pod-uid:'),
  );
}

function unsupportedIn(entry: ClusterStaticEntry, settings: IdentitySettings): string | undefined {
  if (entry.isStored) return 'storeSVID: SVIDs are stored nowhere but in the volumes of pods';
  if (isAlias(entry, settings)) return undefined;
  const selector = entry.selectors.find((each) => !isDecidable(each));
  if (selector === undefined) return undefined;
  return `selector "${selector}" cannot be decided by a pod`;
}

const IN_NAMESPACE = 'k8s:ns:';
const NO_TEMPLATES = { dnsNameTemplates: [], workloadSelectorTemplates: [] };

function policyOf(
  entry: ClusterStaticEntry,
  nodes: readonly NodeRule[],
  settings: IdentitySettings,
): Policy {
  const { name, uid, generation, creationTimestamp, isDeleting, className, hint } = entry;
  const { spiffeId, parentId, selectors, isAdmin, isDownstream } = entry;
  const dnsNames = [...new Set(entry.dnsNames)];
  return {
    name: staticPolicyName(name),
    uid,
    generation,
    creationTimestamp,
    isDeleting,
    className,
    ...NO_TEMPLATES,
    // An ID has no braces.
    spiffeIdTemplate: parseTemplate('spiffeID', spiffeId),
    podSelector: undefined,
    namespaceSelector: undefined,
    x509TtlSeconds: entry.x509TtlSeconds,
    jwtTtlSeconds: entry.jwtTtlSeconds,
    federatesWith: entry.federatesWith,
    autoPopulateDnsNames: false,
    isFallback: false,
    hint,
    isAdmin,
    isDownstream,
    priority: 0,
    jwtClaimTemplates: new Map(),
    jwtClaimsFromAuthors: false,
    commonNameTemplate: undefined,
    jwtIncludeJti: false,
    entry: {
      spiffeId,
      parentId,
      selectors: selectors.toSorted(),
      dnsNames,
      commonName: commonNameFrom(dnsNames, settings),
      nodes,
      anchors: anchorsOf(selectors),
    },
  };
}

const ANCHORS: ReadonlyMap<string, string> = new Map([
  ['pod-uid', POD_UID],
  ['pod-name', POD_NAME],
  ['ns', POD_NAMESPACE],
  ['sa', POD_ACCOUNT],
  ['node-name', POD_NODE],
]);

function anchorsOf(selectors: readonly string[]): readonly Requirement[] {
  const anchors: Requirement[] = [];
  const first = new Map<string, string>();
  for (const selector of selectors) {
    const [, name, value] = splitTwice(selector);
    const colon = value.indexOf(':');
    const key = ANCHORS.get(name);
    if (key !== undefined) {
      anchors.push(equal(key, value));
      if (!first.has(name)) first.set(name, value);
    } else if (name === 'pod-label' && colon !== -1) {
      anchors.push(equal(value.slice(0, colon), value.slice(colon + 1)));
    }
  }
  const [namespace, account] = [first.get('ns'), first.get('sa')];
  if (namespace === undefined || account === undefined) return anchors;
  return [equal(POD_FULL_ACCOUNT, `${namespace}/${account}`), ...anchors];
}

function equal(key: string, value: string): Requirement {
  return { key, operator: 'In', values: [value] };
}
