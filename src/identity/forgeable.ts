// What could have been forged: bytes of an identity that a pod's author or a node wrote, where they
// could pass for something else. The strict profile refuses them; `explain` shows them.

import { invalid } from '../base/errors.ts';
import type { ClusterSpiffeIdPolicy } from '../crds/cluster-spiffe-id-policy.ts';
import { weaker } from '../template/provenance.ts';
import type { Run, Template, TemplateData } from '../template/template.ts';

/** Throws `invalid-argument` naming what could have been forged, and by whom. */
export function checkForgeable(policy: ClusterSpiffeIdPolicy, data: TemplateData): void {
  checkId(policy.spiffeIdTemplate.trace(data));
  for (const template of policy.dnsNameTemplates) checkDnsName(template, data);
  for (const [name, template] of policy.jwtClaimTemplates) {
    refuseNode(template, data, `jwtClaimTemplates.${name}`);
  }
  if (policy.commonNameTemplate !== undefined) {
    checkCommonName(policy.commonNameTemplate, data);
  }
  if (!isNamespaceBound(policy, data)) {
    throw invalid('spiffeIDTemplate: binds the ID to no namespace');
  }
}

/**
 * Whether pods of one namespace cannot get the IDs of another: the policy is pinned to namespaces by
 * name, or the pod's namespace is a whole segment of the ID.
 */
export function isNamespaceBound(policy: ClusterSpiffeIdPolicy, data: TemplateData): boolean {
  const pinned = policy.namespaceSelector?.requirements.some(
    ({ key, operator }) => key === 'kubernetes.io/metadata.name' && operator === 'In',
  );
  if (pinned === true) return true;
  const runs = policy.spiffeIdTemplate.trace(data);
  return runs.some(
    ({ source }, index) => source === '.PodMeta.Namespace' && fillsSegment(runs, index),
  );
}

function checkId(runs: readonly Run[]): void {
  for (const [index, run] of runs.entries()) {
    const from = weaker(run.from, run.chosenBy ?? 'operator');
    if (from === 'operator' || from === 'api') continue;
    const what = `spiffeIDTemplate: ${run.source ?? 'a choice'}, written by the ${writerOf(from)},`;
    if (from === 'node') throw invalid(`${what} must not be in an ID`);
    if (run.text.includes('/')) throw invalid(`${what} must not contain "/"`);
    if (!fillsSegment(runs, index)) throw invalid(`${what} must be a whole segment`);
  }
}

function refuseNode(template: Template, data: TemplateData, field: string): void {
  const run = template
    .trace(data)
    .find(({ from, chosenBy = 'operator' }) => weaker(from, chosenBy) === 'node');
  if (run !== undefined) {
    throw invalid(
      `${field}: ${run.source ?? 'a choice'}, which a node can write, must not be in it`,
    );
  }
}

// A name's author may choose a label of it and nothing about whose name it is.
function checkDnsName(template: Template, data: TemplateData): void {
  refuseNode(template, data, 'dnsNameTemplates');
  const runs = template.trace(data);
  for (const [index, run] of runs.entries()) {
    if (!isAuthored(run)) continue;
    const what = `dnsNameTemplates: ${run.source ?? 'a choice'}, written by the ${writerOf('author')},`;
    if (/[.*]/.test(run.text)) throw invalid(`${what} must not contain "." or "*"`);
    const before = runs.slice(0, index).findLast(({ text }) => text !== '');
    const after = runs.slice(index + 1).find(({ text }) => text !== '');
    const isLabel = before === undefined || before.text.endsWith('.');
    if (!isLabel || after?.text.startsWith('.') !== true) {
      throw invalid(`${what} must be a whole label, and not the last`);
    }
  }
}

// Others take it for a user name: nobody may pick it who only may make pods, but by the account.
function checkCommonName(template: Template, data: TemplateData): void {
  refuseNode(template, data, 'commonNameTemplate');
  const run = template
    .trace(data)
    .find((one) => isAuthored(one) && one.source !== '.PodSpec.ServiceAccountName');
  if (run === undefined) return;
  const what = `commonNameTemplate: ${run.source ?? 'a choice'}, written by the`;
  throw invalid(`${what} ${writerOf('author')}, must not be in it`);
}

function isAuthored({ from, chosenBy = 'operator' }: Run): boolean {
  return weaker(from, chosenBy) === 'author';
}

function fillsSegment(runs: readonly Run[], index: number): boolean {
  const before = runs.slice(0, index).findLast(({ text }) => text !== '');
  const after = runs.slice(index + 1).find(({ text }) => text !== '');
  return before?.text.endsWith('/') === true && (after === undefined || after.text.startsWith('/'));
}

function writerOf(from: 'author' | 'node'): string {
  return from === 'node' ? 'node' : "pod's author";
}
