// `signet audit verify|query`: whether audit logs are whole, and what they say of a serial number, a pod
// or an identity. Reads files, not the cluster, unless it is asked for what the cluster keeps.

import { linesOf } from '../audit/audit-files.ts';
import { queryAudit } from '../audit/query-audit.ts';
import { verifyAudit } from '../audit/verify-audit.ts';
import { CodedError, invalid } from '../base/errors.ts';
import { type FlagSpecs, flagsHelp, parseFlags } from '../base/flags.ts';
import { EVIDENCE_FLAGS, filesOfRun, readEvidence } from './audit/evidence.ts';
import { recordsText, reportText } from './audit/text.ts';
import type { Command } from './command.ts';
import { formatOutput, OUTPUT_FLAG } from './output.ts';

const FLAGS = {
  ...EVIDENCE_FLAGS,
  partial: { type: 'boolean', help: 'verify: chains may begin before the files do' },
  since: { type: 'string', help: 'of what ended or was before, nothing: RFC 3339', value: 'TIME' },
  until: { type: 'string', help: 'query: before then: RFC 3339', value: 'TIME' },
  serial: { type: 'string', help: 'query: of an X509-SVID, in hex', value: 'HEX' },
  pod: { type: 'string', help: 'query: name, NAMESPACE/NAME, or UID', value: 'POD' },
  'spiffe-id': { type: 'string', help: 'query: an identity', value: 'ID' },
  ...OUTPUT_FLAG,
  help: { type: 'boolean', help: 'print this' },
} as const satisfies FlagSpecs;

const USAGE = `usage: signet audit VERB FILE… | --cluster | --run-dir DIR [flags]

  verify    say whether audit logs are whole; 1 when they are not
  query     print the events that match; 1 when there is none

A FILE of - is standard input. Give all files of all replicas at once, and by --anchor
the Lease as it was before they were collected.`;

export const auditCommand: Command = async (args, context) => {
  const { out, err } = context;
  const { flags, positionals } = parseFlags(args, FLAGS);
  const [verb, ...given] = positionals;
  const directory = flags['run-dir'];
  const paths = directory === undefined ? given : filesOfRun(directory);
  const places = [flags.cluster, directory !== undefined, given.length > 0].filter(Boolean);
  const isCall = (verb === 'verify' || verb === 'query') && places.length === 1;
  if (flags.help || !isCall) {
    (flags.help ? out : err)(flagsHelp(USAGE, FLAGS));
    return flags.help ? 0 : 2;
  }
  if (paths.includes('-') && paths.length > 1) throw invalid('-: not together with other files');
  const since = timeOf('since', flags.since);
  // Before the lines: what is kept of them must not be newer than they are.
  const evidence = await readEvidence(flags, context);
  const files = paths.map((name) => ({ name, lines: () => readLines(name) }));
  const inputs = evidence.inputs ?? files;
  if (verb === 'verify') {
    const { anchors, authorities, malformed } = evidence;
    const isPartial = flags.partial;
    const report = verifyAudit({ inputs, anchors, authorities, since, isPartial });
    const ok = report.ok && malformed.length === 0;
    const shown = { ...report, ok, malformedAnchors: malformed };
    out(formatOutput(flags.output, shown, () => reportText(shown)));
    return ok ? 0 : 1;
  }
  const { serial, pod, namespace, 'spiffe-id': spiffeId } = flags;
  const query = { serial, pod, namespace, spiffeId, since, until: timeOf('until', flags.until) };
  const records = inputs
    .flatMap(({ lines }) => [...queryAudit(lines(), query)])
    .toSorted((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
  out(formatOutput(flags.output, { records }, () => recordsText(records)));
  return records.length > 0 ? 0 : 1;
};

const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/;

function timeOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const time = TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw invalid(`--${flag}: "${text}" is not a time of RFC 3339`);
  return time;
}

function* readLines(path: string): Iterable<string> {
  try {
    yield* linesOf(path);
  } catch (thrown) {
    const isMissing = thrown instanceof Error && 'syscall' in thrown;
    throw isMissing
      ? new CodedError('not-found', `${path}: cannot be read`, { cause: thrown })
      : thrown;
  }
}
