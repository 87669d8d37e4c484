// `signet jwt inspect|preflight`: what a token says, and what a consumer would say to it. A token is
// never printed.

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { CodedError, invalid } from '../base/errors.ts';
import { type FlagSpecs, type Flags, flagsHelp, parseFlags } from '../base/flags.ts';
import { parsePemCertificates } from '../spiffe/pem.ts';
import type { Command, CommandContext } from './command.ts';
import type { Consumer, Expected } from './jwt/check.ts';
import { CONSUMERS } from './jwt/consumers.ts';
import { type Documents, loadDocuments, loadKeys } from './jwt/documents.ts';
import { inspectionText, inspectToken } from './jwt/inspect.ts';
import { type Report, reportOf, reportText, runChecks } from './jwt/preflight.ts';
import { type ReadToken, readToken, readTokenFile, textIn } from './jwt/token.ts';
import { formatOutput, OUTPUT_FLAG } from './output.ts';
import { SvidSource } from './svid-source.ts';

const FLAGS = {
  for: {
    type: 'string',
    help: `preflight: ${[...CONSUMERS.keys()].join(', ')}`,
    value: 'CONSUMER',
  },
  'token-file': { type: 'string', help: 'the token, - for standard input', value: 'FILE' },
  'cert-file': { type: 'string', help: 'postgres: certificates in PEM, leaf first', value: 'FILE' },
  socket: {
    type: 'string',
    help: 'fetch from this Workload API; default: $SPIFFE_ENDPOINT_SOCKET',
    value: 'PATH',
  },
  'spiffe-id': { type: 'string', help: 'of which identity to fetch', value: 'ID' },
  audience: { type: 'string', help: 'what the consumer is configured to take', value: 'NAME' },
  subject: {
    type: 'string',
    help: "what sub must match, in the consumer's notation; postgres: the user",
    value: 'PATTERN',
  },
  'trust-domain': { type: 'string', help: 'vault, keycloak: what is configured', value: 'NAME' },
  'max-lifetime': {
    type: 'duration',
    default: '0s',
    help: 'anthropic: what is set for the issuer',
  },
  documents: {
    type: 'string',
    help: 'issuer URL or directory with discovery and keys, or none; default: iss of the token',
    value: 'PLACE',
  },
  keys: {
    type: 'string',
    help: 'URL or file of the keys alone, as uploaded to the consumer, or of a SPIFFE bundle',
    value: 'PLACE',
  },
  'ca-file': {
    type: 'string',
    help: 'PEM to trust when fetching, instead of public ones',
    value: 'FILE',
  },
  timeout: { type: 'duration', default: '30s', help: 'how long to wait for the socket' },
  ...OUTPUT_FLAG,
  help: { type: 'boolean', help: 'print this' },
} as const satisfies FlagSpecs;

const USAGE = `usage: signet jwt VERB [flags]

  preflight --for CONSUMER   check a token by the rules that a consumer publishes; 1 when it breaks one
  inspect [FILE]             show what a token says; default: standard input`;

type JwtFlags = Flags<typeof FLAGS>;

export const jwtCommand: Command = async (args, context) => {
  const { flags, positionals } = parseFlags(args, FLAGS);
  const [verb, file, ...more] = positionals;
  const isVerb = verb === 'inspect' || (verb === 'preflight' && file === undefined);
  if (flags.help || !isVerb || more.length > 0) {
    (flags.help ? context.out : context.err)(flagsHelp(USAGE, FLAGS));
    return flags.help ? 0 : 2;
  }
  if (verb === 'inspect') {
    const now = secondsNow(context);
    const found = inspectToken(readToken(readTokenFile(file ?? flags['token-file'] ?? '-')), now);
    context.out(formatOutput(flags.output, found, () => inspectionText(found)));
    return 0;
  }
  const name = flags.for ?? '';
  const consumer = CONSUMERS.get(name);
  if (consumer === undefined) {
    throw invalid(`--for: "${name}" is not one of ${[...CONSUMERS.keys()].join(', ')}`);
  }
  const report = await preflight({ name, consumer, flags }, context);
  context.out(formatOutput(flags.output, report, () => reportText(report, consumer)));
  return report.accepted ? 0 : 1;
};

type Asked = {
  readonly name: string;
  readonly consumer: Consumer;
  readonly flags: JwtFlags;
};

async function preflight(asked: Asked, context: CommandContext): Promise<Report> {
  const { name, consumer, flags } = asked;
  const expected = expectedOf(flags);
  if (consumer.takes === 'certificate') {
    const chain = await certificates(flags, context);
    const subject = /URI:(spiffe:[^,\s]+)/.exec(chain[0]?.subjectAltName ?? '')?.[1] ?? '';
    const findings = runChecks(consumer.checks, { chain, expected, now: secondsNow(context) });
    return reportOf({ consumer: name, subject }, findings);
  }
  const token = await tokenOf(flags, consumer.usualAudience, context);
  const documents = await documentsOf(token, asked);
  // Only now: the token may be younger than this call.
  const now = secondsNow(context);
  const hasOwnAuthorities = flags['ca-file'] !== undefined;
  const trial = { token, expected, now, documents, hasOwnAuthorities };
  const findings = runChecks(consumer.checks, trial);
  return reportOf({ consumer: name, subject: textIn(token.claims, 'sub') }, findings);
}

function secondsNow({ clock }: CommandContext): number {
  return Math.floor(clock.now() / 1000);
}

function expectedOf(flags: JwtFlags): Expected {
  const lifetime = Math.floor(flags['max-lifetime'] / 1000);
  return {
    audience: flags.audience,
    subject: flags.subject,
    trustDomain: flags['trust-domain'],
    maxLifetimeSeconds: lifetime === 0 ? undefined : lifetime,
    keys: flags.keys === undefined ? 'discovery' : 'uploaded',
  };
}

async function tokenOf(
  flags: JwtFlags,
  usualAudience: string | undefined,
  { environment }: CommandContext,
): Promise<ReadToken> {
  const file = flags['token-file'];
  if (file !== undefined) return readToken(readTokenFile(file), file !== '-');
  const audience = flags.audience ?? usualAudience;
  if (audience === undefined) throw invalid('--audience: needed to fetch a token for it');
  const source = new SvidSource(flags.socket ?? environment['SPIFFE_ENDPOINT_SOCKET']);
  try {
    const spiffeId = flags['spiffe-id'] ?? '';
    const tokens = await source.fetchTokens([audience], { spiffeId, timeoutMs: flags.timeout });
    return readToken(tokens[0] ?? '');
  } finally {
    source.close();
  }
}

async function certificates(
  flags: JwtFlags,
  { clock, environment }: CommandContext,
): Promise<readonly X509Certificate[]> {
  const file = flags['cert-file'];
  if (file !== undefined) {
    return parsePemCertificates(readText(file)).map((der) => new X509Certificate(der));
  }
  if (flags['token-file'] !== undefined) {
    throw invalid('--token-file: no token is taken; give --cert-file or a socket');
  }
  const source = new SvidSource(flags.socket ?? environment['SPIFFE_ENDPOINT_SOCKET']);
  try {
    const svids = await source.fetch(flags.timeout, clock.now());
    const wanted = flags['spiffe-id'];
    const svid = svids.find(
      ({ certificates: [leaf] }) => wanted === undefined || leaf?.spiffeId === wanted,
    );
    if (svid === undefined) throw invalid(`--spiffe-id: there is no SVID of ${wanted ?? ''}`);
    return svid.chain.map((der) => new X509Certificate(der));
  } finally {
    source.close();
  }
}

/** What cannot be had is a finding, not a failure: the consumer would not have it either. */
async function documentsOf(
  token: ReadToken,
  { flags, consumer: { usesBundle = false } }: Asked,
): Promise<Documents | string | undefined> {
  const { documents, keys, 'ca-file': caFile } = flags;
  const issuer = textIn(token.claims, 'iss');
  const ca = caFile === undefined ? undefined : readText(caFile);
  try {
    if (keys !== undefined) return await loadKeys(keys, ca);
    if (documents === 'none') return undefined;
    if (documents !== undefined) return await loadDocuments(documents, ca);
    if (usesBundle || issuer === '') return undefined;
    // Never a path: what a token says is not to choose a file of this machine.
    if (!issuer.startsWith('https://'))
      return 'iss is not an https URL, so no keys are found by it';
    return await loadDocuments(issuer, ca);
  } catch (thrown) {
    const { code, message } = CodedError.from(thrown);
    if (code === 'internal') throw thrown;
    return message;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (thrown) {
    throw invalid(`${path}: cannot be read`, thrown);
  }
}
