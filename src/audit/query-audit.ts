// Questions to audit logs: who was this serial, what did this pod get, and when.

import { readLine } from './audit-chain.ts';

export type AuditQuery = {
  /** Hex, in either case, with or without colons. */
  readonly serial?: string | undefined;
  /** A name, `NAMESPACE/NAME`, or a UID. */
  readonly pod?: string | undefined;
  readonly namespace?: string | undefined;
  readonly spiffeId?: string | undefined;
  /** Milliseconds since the epoch; from is included, until is not. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
};

export type AuditRecord = Readonly<Record<string, unknown>> & {
  readonly time: string;
  readonly event: string;
};

/** The events that match, as they stand in the lines, without what chains them. */
export function* queryAudit(lines: Iterable<string>, query: AuditQuery): Iterable<AuditRecord> {
  const matches = matcherOf(query);
  for (const text of lines) {
    const line = readLine(text);
    if (line === undefined || !matches(line.fields, Date.parse(line.time))) continue;
    const { previous: _, chain, sequence, ...rest } = line.fields;
    yield { ...rest, chain, sequence, time: line.time, event: line.event };
  }
}

function matcherOf({ serial, pod, namespace, spiffeId, since, until }: AuditQuery) {
  const wanted = serial === undefined ? undefined : plain(serial);
  return (fields: Readonly<Record<string, unknown>>, time: number): boolean => {
    const { pod: named, podUid, held } = fields;
    const [inNamespace = '', name = ''] = typeof named === 'string' ? named.split('/') : [];
    const serials = [fields['serial'], ...heldOf(held).map((each) => each['serial'])];
    const uids = [podUid, ...heldOf(held).map((each) => each['podUid'])];
    return (
      (wanted === undefined ||
        serials.some((each) => typeof each === 'string' && plain(each) === wanted)) &&
      (pod === undefined || pod === named || (name !== '' && pod === name) || uids.includes(pod)) &&
      (namespace === undefined || namespace === inNamespace) &&
      (spiffeId === undefined || spiffeId === fields['spiffeId']) &&
      (since === undefined || time >= since) &&
      (until === undefined || time < until)
    );
  };
}

function heldOf(held: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (!Array.isArray(held)) return [];
  return (held as readonly unknown[]).filter(
    (each): each is Readonly<Record<string, unknown>> => typeof each === 'object' && each !== null,
  );
}

function plain(serial: string): string {
  return serial
    .toLowerCase()
    .replaceAll(':', '')
    .replace(/^(?:00)+/, '');
}
