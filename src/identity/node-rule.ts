// Which nodes a parent of static entries stands for. Upstream's agents have IDs of their own, and
// entries below the server's ID give them further ones, by selectors of their attestation; here the
// nodes themselves are asked, and what only such an agent would tell is not guessed.

import { pathOf, type SpiffeId } from '../spiffe/spiffe-id.ts';
import { type JsonObject, ownValue } from '../template/json-value.ts';
import { objectIn, textIn } from './objects.ts';
import type { NodeRule, NodeTerm } from './policy.ts';
import type { IdentitySettings } from './settings.ts';
import { type SelectorVerdict, splitTwice } from './workload-selectors.ts';

/** `undefined`: no node at all. */
export type NodeRuling =
  | { readonly rule: NodeRule | undefined }
  | { readonly undecidable: string; readonly rule?: never };

type NodeData = { readonly metadata: JsonObject };

const NO_NODE: NodeRuling = { rule: undefined };
const AGENTS = '/spire/agent/k8s_psat/';
/** Labels that the API server keeps kubelets from writing. */
const RESTRICTED_LABEL = /(^|\.)node-restriction\.kubernetes\.io\//;

/** The ID whose children are agents and names for them. */
export function serverId({ trustDomain }: IdentitySettings): string {
  return `spiffe://${trustDomain}/spire/server`;
}

/** Whether an ID is that of an agent which is known by the UID of its node (compatibility E6). */
export function isAgentId(id: SpiffeId): boolean {
  return agentOf(id) !== undefined;
}

/** The node of an agent's ID, as upstream makes it by default. */
export function agentRule(id: SpiffeId, { clusterName }: IdentitySettings): NodeRuling | undefined {
  const agent = agentOf(id);
  if (agent === undefined) return undefined;
  return agent.cluster === clusterName ? { rule: [{ about: 'uid', value: agent.uid }] } : NO_NODE;
}

function agentOf(id: SpiffeId): { readonly cluster: string; readonly uid: string } | undefined {
  const path = pathOf(id);
  if (!path.startsWith(AGENTS)) return undefined;
  const [cluster = '', uid = '', ...more] = path.slice(AGENTS.length).split('/');
  return cluster === '' || uid === '' || more.length > 0 ? undefined : { cluster, uid };
}

/** The nodes that an entry below the server's ID names. */
export function aliasRule(selectors: readonly string[], settings: IdentitySettings): NodeRuling {
  const terms: NodeTerm[] = [];
  let isNone = false;
  for (const selector of selectors) {
    const [type, name, value] = splitTwice(selector);
    const term = type === 'k8s_psat' ? termOf(name, value) : undefined;
    if (type === 'k8s_psat' && name === 'cluster') isNone ||= value !== settings.clusterName;
    else if (term === undefined) {
      return { undecidable: `selector "${selector}" tells nothing about a node of this cluster` };
    } else if (settings.profile === 'strict' && isWrittenByNode(term)) {
      return { undecidable: `selector "${selector}" is about a label that a node can write` };
    } else terms.push(term);
  }
  return isNone ? NO_NODE : { rule: terms };
}

function termOf(name: string, value: string): NodeTerm | undefined {
  if (name === 'agent_node_name') return { about: 'name', value };
  if (name === 'agent_node_uid') return { about: 'uid', value };
  const colon = value.indexOf(':');
  if (name !== 'agent_node_label' || colon === -1) return undefined;
  return { about: 'label', key: value.slice(0, colon), value: value.slice(colon + 1) };
}

function isWrittenByNode(term: NodeTerm): boolean {
  return term.key !== undefined && !RESTRICTED_LABEL.test(term.key);
}

/** Whether Node objects must be known for what an entry says about nodes. */
export function readsNodesOf(
  { parentId, selectors }: { readonly parentId: SpiffeId; readonly selectors: readonly string[] },
  settings: IdentitySettings,
): boolean {
  const isAlias = parentId === serverId(settings);
  const { rule } = (isAlias ? aliasRule(selectors, settings) : agentRule(parentId, settings)) ?? {};
  return rule !== undefined && readsNodeObject(rule);
}

/** Whether it can only be decided by the Node object. */
export function readsNodeObject(rule: NodeRule): boolean {
  return rule.some(({ about }) => about !== 'name');
}

/** `unknown`: the node has to be seen first. */
export function judgeNode(
  rules: readonly NodeRule[],
  name: string,
  node: NodeData | undefined,
): SelectorVerdict | 'unknown' {
  let verdict: 'fails' | 'unknown' = 'fails';
  for (const rule of rules) {
    if (rule.some((term) => term.about === 'name' && term.value !== name)) continue;
    if (!readsNodeObject(rule)) return 'holds';
    if (node === undefined) verdict = 'unknown';
    else if (rule.every((term) => holds(term, node))) return 'holds';
  }
  return verdict;
}

function holds({ about, key, value }: NodeTerm, { metadata }: NodeData): boolean {
  if (key === undefined) return textIn(metadata, about) === value;
  return ownValue(objectIn(metadata, 'labels'), key) === value;
}
