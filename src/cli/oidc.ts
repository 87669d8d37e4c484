// `signet oidc export`: the OpenID Connect documents as files, once or again and again, from a cluster or
// a dev run. It reads what is public and nothing else.

import { existsSync } from 'node:fs';
import { type AuthorityState, damaged, readState } from '../authorities/authority-state.ts';
import { CodedError, invalid } from '../base/errors.ts';
import { type FlagSpecs, type Flags, flagsHelp, parseFlags } from '../base/flags.ts';
import { AUTHORITY_STATE, readDocument } from '../controller/documents.ts';
import { FileAuthorityStore } from '../issuer/authority/file-authority-store.ts';
import { type IssuerUrl, parseIssuerUrl } from '../spiffe/jwt-svid/issuer-url.ts';
import { parseTrustDomain } from '../spiffe/spiffe-id.ts';
import { CONNECTION_FLAGS, connect } from './cluster/connection.ts';
import { installedFlags } from './cluster/installed-flags.ts';
import { ClusterReader } from './cluster/reader.ts';
import type { Command, CommandContext } from './command.ts';
import { type Exported, exportDocuments, MAX_EXPORT_AGE_SECONDS } from './oidc/export.ts';
import { formatOutput, OUTPUT_FLAG } from './output.ts';
import { seconds } from './svid-inspect.ts';
import { printable } from './table.ts';

const FLAGS = {
  to: { type: 'string', help: 'directory that stands for the issuer; needed', value: 'DIR' },
  'jwt-issuer': {
    type: 'string',
    help: 'default: what the issuer of the cluster was told',
    value: 'URL',
  },
  every: {
    type: 'duration',
    default: '0s',
    help: `write again after this, until interrupted; at most ${MAX_EXPORT_AGE_SECONDS / 60}m; 0s: once`,
  },
  'signet-namespace': {
    type: 'string',
    default: 'signet',
    help: 'where Signet is installed',
    value: 'NAME',
  },
  'run-dir': { type: 'string', help: 'of signet dev, instead of a cluster', value: 'DIR' },
  'trust-domain': { type: 'string', help: 'needed with --run-dir', value: 'NAME' },
  ...OUTPUT_FLAG,
  ...CONNECTION_FLAGS,
  help: { type: 'boolean', help: 'print this' },
} as const satisfies FlagSpecs;

type OidcFlags = Flags<typeof FLAGS>;

const USAGE = 'usage: signet oidc export --to DIR [flags]';
const RETRY_MS = 10_000;

export const oidcCommand: Command = async (args, context) => {
  const { out, err } = context;
  const { flags, positionals } = parseFlags(args, FLAGS);
  if (flags.help || positionals.length !== 1 || positionals[0] !== 'export') {
    (flags.help ? out : err)(flagsHelp(USAGE, FLAGS));
    return flags.help ? 0 : 2;
  }
  const { to: directory = '', every } = flags;
  if (directory === '') throw invalid('--to: needed');
  if (every > MAX_EXPORT_AGE_SECONDS * 1000) {
    throw invalid(
      `--every: at most ${MAX_EXPORT_AGE_SECONDS / 60}m, or a key signs that nobody has`,
    );
  }
  const place = openPlace(flags, context);
  try {
    const issuer = await issuerOf(flags, place);
    const write = async () => exportDocuments(directory, issuer, await place.state());
    const first = await write();
    out(formatOutput(flags.output, first, () => exportText(first)));
    if (every > 0) await refresh(write, every, context);
    return 0;
  } finally {
    place.close();
  }
};

async function refresh(
  write: () => Promise<Exported>,
  every: number,
  { clock, out, err, signal }: CommandContext,
): Promise<void> {
  let wait = every;
  for (;;) {
    await clock.sleep(wait, signal);
    if (signal.aborted) return;
    wait = every;
    try {
      const { changed, keyIds } = await write();
      if (changed) out(`${seconds(clock.now())}  ${keyIds.length} keys`);
    } catch (thrown) {
      const error = CodedError.from(thrown);
      if (error.code === 'internal') throw thrown;
      err(`${seconds(clock.now())}  ${error.code}: ${printable(error.message)}`);
      wait = Math.min(RETRY_MS, every);
    }
  }
}

function exportText({ issuer, keyIds, files, changed }: Exported): string {
  return [
    `issuer ${issuer}, ${keyIds.length} keys${changed ? '' : ', nothing changed'}`,
    ...files.map((path) => `  ${path}`),
    `Write again within ${MAX_EXPORT_AGE_SECONDS / 60} minutes, and upload the keys first.`,
  ].join('\n');
}

type Place = {
  readonly state: () => Promise<AuthorityState>;
  /** What the issuer there was told. */
  readonly issuer: () => Promise<string | undefined>;
  readonly close: () => void;
};

function openPlace(flags: OidcFlags, context: CommandContext): Place {
  const {
    'run-dir': runDirectory,
    'trust-domain': trustDomain,
    'signet-namespace': namespace,
  } = flags;
  if (runDirectory !== undefined) {
    if (trustDomain === undefined) throw invalid('--trust-domain: needed with --run-dir');
    const path = `${runDirectory}/authorities-${parseTrustDomain(trustDomain)}`;
    if (!existsSync(path)) throw new CodedError('not-found', `${path}: there is no such directory`);
    const store = new FileAuthorityStore(path);
    return {
      state: async () => stateOf((await store.read('state'))?.value),
      issuer: async () => undefined,
      close: () => {},
    };
  }
  const { client } = connect(flags, context);
  const place = { resource: 'configmaps', namespace, name: AUTHORITY_STATE } as const;
  return {
    state: async () => stateOf(parse(await readDocument(client, place))),
    issuer: async () => {
      const reader = new ClusterReader(client, context.signal);
      const [flag] = await installedFlags(reader, namespace, ['jwt-issuer']);
      return flag?.replace('--jwt-issuer=', '');
    },
    close: () => client.close(),
  };
}

async function issuerOf(flags: OidcFlags, place: Place): Promise<IssuerUrl> {
  const issuer = flags['jwt-issuer'] ?? (await place.issuer());
  if (issuer === undefined) throw invalid('--jwt-issuer: needed, the installation has none');
  return parseIssuerUrl(issuer, '--jwt-issuer');
}

function stateOf(value: unknown): AuthorityState {
  const trustDomain = (value as Partial<AuthorityState> | null | undefined)?.trustDomain;
  if (typeof trustDomain !== 'string') {
    throw new CodedError('not-found', 'there are no authorities yet');
  }
  return readState(value, parseTrustDomain(trustDomain));
}

function parse(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw damaged('not JSON');
  }
}
