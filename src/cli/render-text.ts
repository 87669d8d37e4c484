// A rendering for people: one table of entries, one of policies, one of failures.

import { newTally } from '../identity/policy-tally.ts';
import type { Rendering } from './render.ts';
import { formatTable } from './table.ts';

export function renderingText({ entries, policies, failures }: Rendering): string {
  const sections = [
    formatTable(
      ['POLICY', 'POD', 'SPIFFE ID', 'SERVED'],
      entries.map(({ policy, namespace, pod, spiffeID, served, reason }) => [
        policy,
        `${namespace}/${pod}`,
        spiffeID,
        served ? 'yes' : `no: ${reason}`,
      ]),
    ),
    formatTable(
      ['POLICY', 'ACCEPTED', 'PODS', 'ENTRIES', 'FAILURES', 'MESSAGE'],
      policies.map(({ name, accepted, message, status }) => {
        if ('rendered' in status) {
          const [ready] = status.conditions;
          const facts = [`${ready?.reason ?? ''}: ${ready?.message ?? ''}`, message];
          const text = facts.filter((fact) => fact !== '').join('; ');
          return [name, accepted ? 'yes' : 'no', '', status.set ? 'set' : 'not set', '', text];
        }
        const stats = 'stats' in status ? status.stats : newTally();
        const failed = stats.podEntryRenderFailures + stats.entryFailures;
        const counts = [stats.podsSelected, stats.entriesToSet, failed].map(String);
        return [name, accepted ? 'yes' : 'no', ...counts, message];
      }),
    ),
    failures.length === 0
      ? ''
      : formatTable(
          ['POLICY', 'POD', 'REASON', 'MESSAGE'],
          failures.map(({ policy, namespace, pod, reason, message }) => [
            policy,
            `${namespace}/${pod}`,
            reason,
            message,
          ]),
        ),
  ];
  return sections.filter((section) => section !== '').join('\n\n');
}
