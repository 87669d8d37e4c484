// `signet access lint|explain`: what an access policy probably does not mean, and what it lets a
// SPIFFE ID do.

import { readFileSync } from 'node:fs';
import { type AccessPolicy, decideAccess } from '../access/access-policy.ts';
import { readAccessPolicy } from '../access/access-policy-text.ts';
import { lintAccessPolicy } from '../access/lint-access-policy.ts';
import { CodedError, invalid } from '../base/errors.ts';
import { type FlagSpecs, flagsHelp, parseFlags } from '../base/flags.ts';
import { parseSpiffeId, type SpiffeId } from '../spiffe/spiffe-id.ts';
import type { Command } from './command.ts';
import { formatOutput, OUTPUT_FLAG } from './output.ts';
import { formatTable } from './table.ts';

const FLAGS = {
  file: { type: 'strings', short: 'f', spreads: true, help: 'access policies', value: 'FILE…' },
  peer: { type: 'string', help: 'explain: who asks', value: 'ID' },
  operation: { type: 'string', help: 'explain: for what; default: each operation', value: 'NAME' },
  ...OUTPUT_FLAG,
  help: { type: 'boolean', help: 'print this' },
} as const satisfies FlagSpecs;

const USAGE = `usage: signet access VERB -f FILE… [flags]

  lint      say what is wrong, and what is probably not meant
  explain   say what a SPIFFE ID may do, and by which rule`;

type Finding = {
  readonly file: string;
  readonly severity: 'error' | 'warning';
  readonly reason: string;
  readonly subject: string;
  readonly message: string;
};

type Answer = {
  readonly operation: string;
  readonly allowed: boolean;
  readonly rule: string;
  readonly reason: string;
};

/** 1 when a file is wrong, or when the one operation that was asked about is refused. */
export const accessCommand: Command = async (args, { out, err }) => {
  const { flags, positionals } = parseFlags(args, FLAGS);
  const [verb, ...more] = positionals;
  const isCall = (verb === 'lint' || verb === 'explain') && more.length === 0;
  if (flags.help || !isCall || flags.file.length === 0) {
    (flags.help ? out : err)(flagsHelp(USAGE, FLAGS));
    return flags.help ? 0 : 2;
  }
  if (verb === 'lint') {
    const findings = flags.file.flatMap(lintFile);
    out(formatOutput(flags.output, { findings }, () => lintText(findings)));
    return findings.some(({ severity }) => severity === 'error') ? 1 : 0;
  }
  const [file, ...others] = flags.file;
  if (file === undefined || others.length > 0) throw invalid('--file: explain takes one file');
  if (flags.peer === undefined) throw invalid('--peer: explain needs who asks');
  const peer = parseSpiffeId(flags.peer);
  const { policy } = readAccessPolicy(readFileSync(file, 'utf8'));
  const answers = answersFor(policy, peer, flags.operation);
  out(formatOutput(flags.output, { peer, answers }, () => answersText(answers)));
  return flags.operation === undefined || answers.every(({ allowed }) => allowed) ? 0 : 1;
};

function lintFile(file: string): readonly Finding[] {
  try {
    const { policy } = readAccessPolicy(readFileSync(file, 'utf8'));
    return lintAccessPolicy(policy).map((found) => ({ file, severity: 'warning', ...found }));
  } catch (thrown) {
    const { message } = CodedError.from(thrown);
    return [{ file, severity: 'error', reason: 'Invalid', subject: '', message }];
  }
}

function answersFor(
  policy: AccessPolicy,
  peer: SpiffeId,
  asked: string | undefined,
): readonly Answer[] {
  return (asked === undefined ? [...policy.operations] : [asked]).map((operation) => {
    const decision = decideAccess(policy, peer, operation);
    return {
      operation,
      allowed: decision.allowed,
      rule: decision.allowed ? decision.value.name : '',
      reason: decision.allowed ? '' : decision.reason,
    };
  });
}

function lintText(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'nothing to say';
  return formatTable(
    ['SEVERITY', 'FILE', 'REASON', 'SUBJECT', 'MESSAGE'],
    findings.map(({ severity, file, reason, subject, message }) => [
      severity,
      file,
      reason,
      subject || '-',
      message,
    ]),
  );
}

function answersText(answers: readonly Answer[]): string {
  return formatTable(
    ['OPERATION', 'ANSWER', 'BECAUSE'],
    answers.map(({ operation, allowed, rule, reason }) => [
      operation,
      allowed ? 'allowed' : 'refused',
      allowed ? `rule ${rule}` : reason,
    ]),
  );
}
