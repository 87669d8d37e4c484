// `signet revoke`: takes identities away by writing an IdentityRestriction, and prints a receipt of
// what can be known of it. `--undo` gives them back.

import { parseDurationNs } from '../base/duration.ts';
import { CodedError, invalid } from '../base/errors.ts';
import { type FlagSpecs, type Flags, flagsHelp, parseFlags } from '../base/flags.ts';
import { validateIdentityRestriction } from '../crds/admission/validate-other-kinds.ts';
import { rfc3339Time } from '../crds/rfc3339.ts';
import { IdentityView } from '../identity/identity-view.ts';
import { segment } from '../kube/kube-client.ts';
import type { JsonObject } from '../template/json-value.ts';
import { CONNECTION_FLAGS, type Connection, connect } from './cluster/connection.ts';
import { loadPods, loadPolicies } from './cluster/identity-objects.ts';
import { installedFlags } from './cluster/installed-flags.ts';
import { ClusterReader, nameOf, objectsIn, textAt } from './cluster/reader.ts';
import type { Command, CommandContext } from './command.ts';
import { dnsName } from './node-settings.ts';
import { IDENTITY_FLAGS, INSTALLATION_FLAGS, identitySettings } from './offline-view.ts';
import { formatOutput, OUTPUT_FLAG } from './output.ts';
import { type Holder, heldElsewhere } from './revoke-elsewhere.ts';
import { readOutcome } from './revoke-outcome.ts';
import {
  lastOf,
  type Receipt,
  receiptText,
  revokedIdentities,
  WHAT_IT_DOES,
} from './revoke-receipt.ts';
import {
  parseTarget,
  type Revocation,
  type RevokeTarget,
  restrictionObject,
} from './revoke-target.ts';
import { undo, writeRestriction } from './revoke-write.ts';
import { printable } from './table.ts';

const FLAGS = {
  namespace: {
    type: 'string',
    short: 'n',
    help: "of the pod or ServiceAccount; default: the context's",
    value: 'NAME',
  },
  until: {
    type: 'string',
    help: 'a duration such as 2h, or a time such as 2026-01-31T12:00:00Z; default: for good',
    value: 'WHEN',
  },
  cause: { type: 'string', help: 'why, for people', value: 'TEXT' },
  undo: { type: 'boolean', help: 'give back what an earlier call took' },
  'dry-run': { type: 'boolean', help: 'print the receipt, write nothing' },
  explain: {
    type: 'boolean',
    help: 'say what it does and does not do; with a target, what that may hold elsewhere',
  },
  ...OUTPUT_FLAG,
  ...CONNECTION_FLAGS,
  ...INSTALLATION_FLAGS,
  ...IDENTITY_FLAGS,
  help: { type: 'boolean', help: 'print this' },
} as const satisfies FlagSpecs;

const USAGE =
  'usage: signet revoke SPIFFE-ID | pod/NAME | sa/NAME | namespace/NAME [--until WHEN] [--cause TEXT]';
const MAX_CAUSE = 1024;

export const revokeCommand: Command = async (args, context) => {
  const { out, err } = context;
  const { flags, positionals } = parseFlags(args, FLAGS);
  const [word] = positionals;
  if (flags.explain && word === undefined) {
    out(WHAT_IT_DOES);
    return 0;
  }
  if (flags.help || word === undefined || positionals.length > 1) {
    (flags.help ? out : err)(flagsHelp(USAGE, FLAGS));
    return flags.help ? 0 : 2;
  }
  if (flags.undo && (flags.until ?? flags.cause) !== undefined) {
    throw invalid('--undo: takes neither --until nor --cause');
  }
  if ((flags.cause?.length ?? 0) > MAX_CAUSE)
    throw invalid(`--cause: over ${MAX_CAUSE} characters`);
  const until = readUntil(flags.until, context.clock.now());
  const connection = connect(flags, context);
  try {
    const target = parseTarget(word, flags.namespace ?? connection.namespace);
    if (flags.undo) return await runUndo(connection, target, { flags, context });
    const receipt = await revoke({ connection, target, until, args }, context);
    out(formatOutput(flags.output, receipt, () => printableLines(receiptText(receipt))));
    return receipt.inEffect === false ? 1 : 0;
  } finally {
    connection.client.close();
  }
};

type Order = {
  readonly connection: Connection;
  readonly target: RevokeTarget;
  readonly until: string | undefined;
  readonly args: readonly string[];
};

async function revoke(order: Order, context: CommandContext): Promise<Receipt> {
  const { connection, target, until } = order;
  const { client } = connection;
  const reader = new ClusterReader(client, context.signal);
  const { flags } = parseFlags(order.args, FLAGS);
  const { match, notes } = await matchOf(reader, target);
  const revocation: Revocation = { target, match, until, cause: flags.cause };
  const object = restrictionObject(revocation);
  // The write comes first: to know what it reaches takes longer, and may fail.
  const written = flags['dry-run']
    ? ({ action: 'DryRun', until } as const)
    : await writeRestriction(client, object, context.clock.now());
  const found = await countUp(order, { object, reader, context });
  const outcome = flags['dry-run']
    ? undefined
    : await readOutcome(client, {
        name: nameOf(object),
        namespace: dnsName('--signet-namespace', flags['signet-namespace']),
        expects: found.identities.length > 0,
        ...context,
      });
  const revoked = outcome?.revoked;
  return {
    restriction: nameOf(object),
    ...written,
    identities: found.identities,
    isComplete: found.isComplete,
    x509EndsAtLatest: lastOf(found.identities.map((each) => each.x509EndsAtLatest)),
    jwtEndsAtLatest: lastOf(found.identities.map((each) => each.jwtEndsAtLatest)),
    inEffect: outcome?.inEffect,
    ...(revoked === undefined ? {} : { revoked }),
    ...(flags.explain ? { elsewhere: heldElsewhere(found.holders, revoked?.serials ?? []) } : {}),
    notes: [...notes, ...found.notes],
  };
}

type Counting = {
  readonly object: JsonObject;
  readonly reader: ClusterReader;
  readonly context: CommandContext;
};

type Found = Pick<Receipt, 'identities' | 'isComplete' | 'notes'> & {
  readonly holders: readonly Holder[];
};

/** What it takes away; when that cannot be told, the revocation stands all the same. */
async function countUp(
  { target, args }: Order,
  { object, reader, context }: Counting,
): Promise<Found> {
  const notes: string[] = [];
  try {
    const { flags: given } = parseFlags(args, FLAGS);
    const ownNamespace = dnsName('--signet-namespace', given['signet-namespace']);
    const installed = await installedFlags(reader, ownNamespace, Object.keys(IDENTITY_FLAGS));
    const { flags } = parseFlags([...installed, ...args], FLAGS);
    const settings = identitySettings(flags);
    const view = new IdentityView(settings);
    const loading = { view, reader, warn: (line: string) => void notes.push(line) };
    await loadPolicies(loading);
    await loadPods(loading, target.namespace);
    const { warnings } = validateIdentityRestriction(object, settings);
    const reached = revokedIdentities(view, object, context.clock.now());
    return { ...reached, isComplete: notes.length === 0, notes: [...warnings, ...notes] };
  } catch (thrown) {
    const why = CodedError.from(thrown).message;
    return { identities: [], holders: [], isComplete: false, notes: [...notes, why] };
  }
}

async function matchOf(
  reader: ClusterReader,
  { pod, namespace = '', match }: RevokeTarget,
): Promise<{ readonly match: JsonObject; readonly notes: readonly string[] }> {
  if (pod === undefined) return { match, notes: [] };
  const found = await reader.get(`/api/v1/namespaces/${segment(namespace)}/pods/${segment(pod)}`);
  const podUID = textAt(found ?? {}, 'metadata', 'uid');
  if (found === undefined || podUID === '')
    throw invalid(`pod/${pod}: no such pod in namespace ${namespace}`);
  const account = textAt(found, 'spec', 'serviceAccountName') || 'default';
  const metadata = found['metadata'] as JsonObject;
  const [owner] = objectsIn(metadata, 'ownerReferences').filter(
    (each) => each['controller'] === true,
  );
  const notes =
    owner === undefined
      ? []
      : [
          `${textAt(owner, 'kind')} ${textAt(owner, 'name')} makes a successor that is not revoked; to stop those too: signet revoke sa/${account} -n ${namespace}`,
        ];
  return { match: { podUID }, notes };
}

async function runUndo(
  { client }: Connection,
  target: RevokeTarget,
  { flags, context }: { readonly flags: Flags<typeof FLAGS>; readonly context: CommandContext },
): Promise<number> {
  const undone = await undo(client, target, { dryRun: flags['dry-run'], signal: context.signal });
  if (undone.length === 0)
    throw invalid(`${target.text}: nothing to undo; see kubectl get identityrestrictions`);
  const said = flags['dry-run'] ? 'would be deleted' : 'deleted';
  context.out(
    formatOutput(flags.output, { undone, dryRun: flags['dry-run'] }, () =>
      undone.map((name) => `IdentityRestriction ${printable(name)}: ${said}`).join('\n'),
    ),
  );
  return 0;
}

function readUntil(text: string | undefined, now: number): string | undefined {
  if (text === undefined) return undefined;
  const until = rfc3339Time(text) ?? now + Number(parseDurationNs(text, '--until') / 1_000_000n);
  if (until <= now) throw invalid('--until: must be in the future');
  // A second more rather than less.
  return `${new Date(Math.ceil(until / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}

function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}
