// `signet svid get|watch|inspect`: what a Workload API hands out, and what a certificate or token
// says. A private key is never printed; `get --out` writes it.

import { readFileSync } from 'node:fs';
import { CodedError, invalid } from '../base/errors.ts';
import { type FlagSpecs, type Flags, flagsHelp, parseFlags } from '../base/flags.ts';
import type { Command, CommandContext } from './command.ts';
import { formatOutput, OUTPUT_FLAG } from './output.ts';
import { writeSvids } from './svid-files.ts';
import {
  type InspectedCertificate,
  type InspectedToken,
  inspect,
  seconds,
} from './svid-inspect.ts';
import { type ReceivedSvid, SvidSource } from './svid-source.ts';
import { formatTable, printable } from './table.ts';

const FLAGS = {
  socket: {
    type: 'string',
    help: 'of the Workload API; default: $SPIFFE_ENDPOINT_SOCKET',
    value: 'PATH',
  },
  audience: { type: 'strings', help: 'get: a JWT-SVID for it; repeatable', value: 'NAME' },
  'spiffe-id': { type: 'string', help: 'get: of which identity a JWT-SVID is', value: 'ID' },
  token: { type: 'boolean', help: 'get: print the JWT-SVID itself, which is a secret' },
  out: {
    type: 'string',
    help: 'get: write certificates, bundle and key there, 0600',
    value: 'DIR',
  },
  timeout: { type: 'duration', default: '30s', help: 'get: how long to wait' },
  ...OUTPUT_FLAG,
  help: { type: 'boolean', help: 'print this' },
} as const satisfies FlagSpecs;

const USAGE = `usage: signet svid VERB [flags]

  get             fetch SVIDs once
  watch           print each answer of the Workload API as it comes
  inspect [FILE]  show certificates (PEM, DER) or a token; default: standard input`;
const MAX_INPUT_BYTES = 1024 * 1024;
const RECONNECT_MS = 1000;

export const svidCommand: Command = async (args, context) => {
  const { flags, positionals } = parseFlags(args, FLAGS);
  const [verb, file, ...more] = positionals;
  const isVerb = verb === 'inspect' || ((verb === 'get' || verb === 'watch') && file === undefined);
  if (flags.help || !isVerb || more.length > 0) {
    (flags.help ? context.out : context.err)(flagsHelp(USAGE, FLAGS));
    return flags.help ? 0 : 2;
  }
  if (verb === 'inspect') return inspectFile(file, flags, context);
  const source = new SvidSource(flags.socket ?? context.environment['SPIFFE_ENDPOINT_SOCKET']);
  try {
    if (verb === 'watch') await watch(source, flags, context);
    else if (flags.audience.length > 0) await getToken(source, flags, context);
    else await get(source, flags, context);
    return 0;
  } finally {
    source.close();
  }
};

type SvidFlags = Flags<typeof FLAGS>;

async function get(
  source: SvidSource,
  { timeout, out: directory, output, token, ...flags }: SvidFlags,
  { clock, out }: CommandContext,
): Promise<void> {
  if (token || flags['spiffe-id'] !== undefined) throw invalid('--audience: needed for a JWT-SVID');
  const svids = await source.fetch(timeout, clock.now());
  const written = directory === undefined ? [] : writeSvids(directory, svids);
  const shown = { svids: svids.map(show), written };
  out(
    formatOutput(output, shown, () =>
      [svids.map(svidText).join('\n\n'), ...written.map((path) => `wrote ${path}`)].join('\n'),
    ),
  );
}

async function getToken(
  source: SvidSource,
  flags: SvidFlags,
  { clock, out }: CommandContext,
): Promise<void> {
  if (flags.out !== undefined) throw invalid('--out: for X509-SVIDs only; use --token');
  const tokens = await source.fetchTokens(flags.audience, {
    spiffeId: flags['spiffe-id'] ?? '',
    timeoutMs: flags.timeout,
  });
  if (flags.token) {
    out(tokens[0] ?? '');
    return;
  }
  const shown = tokens.flatMap((token) => inspect(Buffer.from(token), clock.now()));
  out(formatOutput(flags.output, { svids: shown }, () => shown.map(itemText).join('\n\n')));
}

/** Until interrupted; a stream that ends is opened again. */
async function watch(
  source: SvidSource,
  { output }: SvidFlags,
  { clock, out, err, signal }: CommandContext,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const svids of source.watch(signal, () => clock.now())) {
        const at = seconds(clock.now());
        // One line an answer, so that others can read along.
        if (output === 'json') out(JSON.stringify({ at, svids: svids.map(show) }));
        else if (output === 'yaml')
          out(`---\n${formatOutput('yaml', { at, svids: svids.map(show) }, String)}`);
        else for (const svid of svids) out(`${at}  ${watchText(svid)}`);
      }
    } catch (thrown) {
      const error = CodedError.from(thrown);
      if (error.code === 'internal' || error.code === 'invalid-argument') throw thrown;
      if (!signal.aborted)
        err(`${seconds(clock.now())}  ${error.code}: ${printable(error.message)}`);
    }
    await clock.sleep(RECONNECT_MS, signal);
  }
}

function inspectFile(
  file: string | undefined,
  { output }: SvidFlags,
  { clock, out }: CommandContext,
): number {
  const bytes = readInput(file === undefined || file === '-' ? 0 : file);
  const items = inspect(bytes, clock.now());
  out(formatOutput(output, { items }, () => items.map(itemText).join('\n\n')));
  return items.some(({ problem }) => problem !== '') ? 1 : 0;
}

function readInput(from: string | 0): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(from);
  } catch (thrown) {
    throw invalid(`${from === 0 ? 'standard input' : from}: cannot be read`, thrown);
  }
  if (bytes.length > MAX_INPUT_BYTES) throw invalid(`over ${MAX_INPUT_BYTES} bytes`);
  return bytes;
}

function show({ hint, certificates, bundle }: ReceivedSvid) {
  return { hint, certificates, bundleCertificates: bundle.length };
}

function svidText({ hint, certificates, bundle }: ReceivedSvid): string {
  const [leaf, ...above] = certificates;
  return [
    ...(leaf === undefined ? [] : [itemText(leaf)]),
    formatTable(
      ['hint', hint || '-'],
      [
        ['chain', `${above.length} above the leaf`],
        ['bundle', `${bundle.length} authorities`],
      ],
    ),
  ].join('\n');
}

function watchText({ hint, certificates: [leaf] }: ReceivedSvid): string {
  const { spiffeId = '', serial = '', notAfter = '', problem = '' } = leaf ?? {};
  const flaw = problem === '' ? '' : `  PROBLEM ${problem}`;
  return printable(
    `${spiffeId}  until ${notAfter}  serial ${serial}${hint && `  hint ${hint}`}${flaw}`,
  );
}

function itemText(item: InspectedCertificate | InspectedToken): string {
  const life =
    item.type === 'JWT-SVID'
      ? [item.issuedAt || '-', item.expiresAt || '-']
      : [item.notBefore, item.notAfter];
  const rows =
    item.type === 'JWT-SVID'
      ? [
          ['audience', item.audience.join(', ')],
          ['issuer', item.issuer || '-'],
          ['signed by', `${item.algorithm}, key ${item.keyId}`],
          ['claims', item.claims.join(', ') || '-'],
        ]
      : [
          ['serial', item.serial],
          ['issuer', item.issuer || '-'],
          ['subject', item.subject || '-'],
          ['key', item.key],
          ...(item.dnsNames.length === 0 ? [] : [['DNS names', item.dnsNames.join(', ')]]),
        ];
  return formatTable(
    [item.type, item.spiffeId || '-'],
    [
      ['valid', `${life.join(' to ')}${item.isExpired ? ' (expired)' : ''}`],
      ...rows,
      ['rules', item.problem === '' ? 'obeyed' : `BROKEN: ${item.problem}`],
    ],
  );
}
