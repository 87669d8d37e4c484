// Reports on audit logs, for people.

import type { AuditRecord } from '../../audit/query-audit.ts';
import type { AuditReport } from '../../audit/verify-audit.ts';
import { formatTable, printable } from '../table.ts';

export function reportText(
  report: AuditReport & { readonly malformedAnchors: readonly string[] },
): string {
  const { chains, problems, notProven, malformedAnchors, otherLines } = report;
  const rows = chains.map((chain) => [
    chain.replica || '-',
    chain.chain,
    `${chain.first}-${chain.last}`,
    chain.from,
    chain.to,
    String(chain.checkpoints),
    chain.provenTo === 0 ? '-' : String(chain.provenTo),
    chain.confirmedTo === 0 ? '-' : String(chain.confirmedTo),
  ]);
  const header = ['REPLICA', 'CHAIN', 'LINES', 'FROM', 'TO', 'CHECKPOINTS', 'SIGNED', 'KEPT'];
  // Files, annotations and nodes name things as they like.
  const lines = [
    ...(otherLines === 0 ? [] : [`${otherLines} other lines were passed over`]),
    ...notProven.map((line) => `not proven: ${line}`),
    ...malformedAnchors.map((name) => `BadAnchor: annotation ${name} is no checkpoint`),
    ...problems.map(({ problem, file, line, replica, chain, detail }) => {
      const where = file === '' ? replica || chain : `${file}:${line}`;
      return `${where}: ${problem}: ${detail}`;
    }),
    report.ok ? 'whole' : `NOT WHOLE: ${problems.length + malformedAnchors.length} problems`,
  ];
  return [formatTable(header, rows), ...lines.map(printable)].join('\n');
}

export function recordsText(records: readonly AuditRecord[]): string {
  if (records.length === 0) return 'nothing';
  const rows = records.map((record) => [
    record.time,
    record.event,
    text(record['pod'] ?? record['podUid']),
    text(record['spiffeId'] ?? record['restriction'] ?? record['bundleOf']),
    text(record['serial'] ?? record['tokenId'] ?? record['authorityId']),
    text(record['notAfter']),
    text(record['node']),
    text(record['reason'] ?? record['policy'] ?? record['change']),
  ]);
  const header = ['TIME', 'EVENT', 'POD', 'ABOUT', 'SERIAL', 'UNTIL', 'NODE', 'RULE'];
  return formatTable(header, rows);
}

function text(value: unknown): string {
  return typeof value === 'string' && value !== '' ? value : '-';
}
