// An explanation for people.

import type { PodExplanation } from '../identity/explain.ts';
import type { PodIdentity } from '../identity/pod-identity.ts';
import type { Run } from '../template/provenance.ts';
import type { PodEvent } from './explain-events.ts';
import { formatTable, printable } from './table.ts';

export function explainText(explanation: PodExplanation): string {
  const { namespace, pod, identities, refusal, policies } = explanation;
  const head =
    identities.length === 0
      ? [`${namespace}/${pod} has no identity: ${refusal}`]
      : [`${namespace}/${pod} has:`, ...identities.flatMap(identityLines)];
  const rows = policies.map(({ policy, outcome, message }) => [policy, outcome, message]);
  const written = policies
    .filter(({ outcome }) => outcome === 'Served')
    .flatMap(({ policy, provenance = [], claims = [] }) => [
      '',
      `who could have written the ID of ${policy}:`,
      ...provenance.map((run) => `  ${runText(run)}`),
      ...claims.flatMap(({ name, value, provenance: runs }) => [
        `claim ${name} of ${policy}: ${printable(value)}`,
        ...runs.map((run) => `  ${runText(run)}`),
      ]),
    ]);
  return [...head, '', formatTable(['POLICY', 'OUTCOME', 'WHY'], rows), ...written].join('\n');
}

function identityLines({ spiffeId, policy, commonName, dnsNames }: PodIdentity): readonly string[] {
  return [
    `  ${spiffeId}  (${policy})`,
    ...(commonName === '' ? [] : [`    common name ${commonName}`]),
    ...(dnsNames.length === 0 ? [] : [`    DNS names ${dnsNames.join(', ')}`]),
  ];
}

export function eventsText(events: readonly PodEvent[]): string {
  if (events.length === 0) return 'events: none of ours';
  const rows = events.map(({ at, reason, count, message }) => [at, reason, String(count), message]);
  return formatTable(['LAST', 'REASON', 'COUNT', 'MESSAGE'], rows);
}

const WRITERS: { readonly [from in Run['from']]: string } = {
  operator: 'the operator',
  api: 'the API server',
  author: "the pod's author",
  node: 'the node',
};

function runText({ text, from, source, chosenBy }: Run): string {
  const where = source === undefined ? '' : ` (${source})`;
  const chosen = chosenBy === undefined ? '' : `, chosen by ${WRITERS[chosenBy]}`;
  return `${printable(text)}  ${WRITERS[from]}${where}${chosen}`;
}
