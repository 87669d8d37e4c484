// `signet authority`: keeps the authorities of a cluster. `rotate` does what is due and ends, as a job
// does; people have the other verbs, with their own credentials. Standard output has audit lines, or
// what was asked to be shown; words for people go to standard error.

import { type AuditAnchor, LeaseAnchor } from '../audit/audit-anchor.ts';
import type { AuthorityKind } from '../authorities/authority-state.ts';
import { invalid } from '../base/errors.ts';
import { flagsHelp, parseFlags } from '../base/flags.ts';
import { createLogger } from '../base/log.ts';
import type { AuthorityCommand } from '../issuer/authority/authority-commands.ts';
import { AuthorityKeeper } from '../issuer/authority/authority-keeper.ts';
import type { AuthorityStore } from '../issuer/authority/authority-store.ts';
import {
  type AuthorityRunOptions,
  clusterKeeper,
  clusterStore,
  directoryStore,
  readAuthorities,
  rotateAuthorities,
} from '../issuer/authority/main.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffe-id.ts';
import { openSink } from './audit/sink-flags.ts';
import { AUTHORITY_FLAGS, type AuthorityFlags } from './authority/flags.ts';
import { shownState, stateTable } from './authority/show.ts';
import { AuthorityTrail } from './authority/trail.ts';
import { connect } from './cluster/connection.ts';
import type { Command, CommandContext } from './command.ts';
import { formatOutput } from './output.ts';

const USAGE = `usage: signet authority VERB [flags]

  rotate            do what is due; once an hour, by a job
  show              list the authorities
  prepare KIND      make the successor of the active root, intermediate, jwt or serving authority
  activate ID       let a prepared successor sign
  taint ID          replace an active authority now; what it signed stays valid
  revoke ID         the same, and take it out of the bundle
  accept-restore    go on after the state was restored from a backup`;

export const authorityCommand: Command = async (args, context) => {
  const { flags, positionals } = parseFlags(args, AUTHORITY_FLAGS);
  const [verb, ...operands] = positionals;
  if (flags.help || verb === undefined) {
    context.out(flagsHelp(USAGE, AUTHORITY_FLAGS));
    return flags.help ? 0 : 2;
  }
  const command = readCommand([verb, ...operands], flags);
  const place = openPlace(flags, context);
  try {
    if (command === 'show') await show(place, flags, context);
    else await change(place, command, { flags, context });
  } finally {
    place.close();
  }
  return 0;
};

type Asked = AuthorityCommand | 'rotate' | 'show';

const KINDS: readonly AuthorityKind[] = ['root', 'intermediate', 'jwt', 'serving'];

function readCommand(words: readonly string[], { now, seen }: AuthorityFlags): Asked {
  const [verb = '', operand = ''] = words;
  const takesOperand = ['prepare', 'activate', 'taint', 'revoke'].includes(verb);
  if (words.length !== (takesOperand ? 2 : 1)) {
    throw invalid(`${verb}: ${takesOperand ? 'takes one word' : 'takes nothing'}; see --help`);
  }
  switch (verb) {
    case 'rotate':
    case 'show':
      return verb;
    case 'prepare': {
      const kind = KINDS.find((one) => one === operand);
      if (kind === undefined)
        throw invalid(`prepare: "${operand}" is not one of ${KINDS.join(', ')}`);
      return { verb, kind };
    }
    case 'activate':
      return { verb, id: operand, isUrgent: now };
    case 'taint':
    case 'revoke':
      return { verb, id: operand };
    case 'accept-restore':
      return { verb, seen };
    default:
      throw invalid(`"${verb}" is not a verb of signet authority; see --help`);
  }
}

/** Where the authorities are. */
type Place = {
  readonly store: AuthorityStore;
  readonly keeper: (options: AuthorityRunOptions) => AuthorityKeeper;
  /** Where checkpoints of the audit log are kept. */
  readonly anchor?: AuditAnchor;
  readonly close: () => void;
};

function openPlace(flags: AuthorityFlags, context: CommandContext): Place {
  const { 'run-dir': directory, namespace, 'cluster-domain': clusterDomain } = flags;
  const hasBundleEndpoint = flags['bundle-endpoint'];
  if (directory !== undefined) {
    const trustDomain = trustDomainOf(flags);
    if (trustDomain === undefined) throw invalid('--trust-domain: needed with --run-dir');
    const store = directoryStore(directory, trustDomain);
    const keeper = (options: AuthorityRunOptions) => new AuthorityKeeper({ ...options, store });
    return { store, keeper, close: () => {} };
  }
  const { client } = connect(flags, context);
  return {
    store: clusterStore({ client, namespace }),
    keeper: (options) =>
      clusterKeeper({ client, namespace, clusterDomain, hasBundleEndpoint }, options),
    anchor: new LeaseAnchor(client, namespace),
    close: () => client.close(),
  };
}

async function show({ store }: Place, flags: AuthorityFlags, { out }: CommandContext) {
  const state = await readAuthorities(store, trustDomainOf(flags));
  out(formatOutput(flags.output, shownState(state), () => stateTable(state)));
}

async function change(
  { store, keeper: open, anchor }: Place,
  command: Exclude<Asked, 'show'>,
  { flags, context }: { readonly flags: AuthorityFlags; readonly context: CommandContext },
): Promise<void> {
  const { clock, err, signal } = context;
  const given = trustDomainOf(flags);
  // The first run has nothing to take it from, and no other is to be led astray by what is there.
  if (command === 'rotate' && given === undefined) throw invalid('--trust-domain: needed');
  const trustDomain = given ?? (await readAuthorities(store)).trustDomain;
  const destination = { write: (line: string) => err(line.trimEnd()) };
  const log = createLogger('authority', { level: flags['log-level'], destination });
  const sink = openSink(flags, clock);
  const shared = { trustDomain, jwtKeyType: flags['jwt-key-type'], clock, log };
  const signed = new AuthorityTrail(sink, shared, anchor);
  try {
    const common = { ...shared, audit: signed.trail };
    const keeper = open(common);
    if (command !== 'rotate') {
      const { says } = await keeper.perform(command);
      for (const line of says) err(line);
    }
    await rotateAuthorities(keeper, common, signal);
  } finally {
    await signed.seal(store, signal);
    sink.close();
  }
}

function trustDomainOf(flags: AuthorityFlags): TrustDomain | undefined {
  const text = flags['trust-domain'];
  return text === undefined || text === '' ? undefined : parseTrustDomain(text);
}
