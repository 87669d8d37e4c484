// `signet explain pod/NAME`: for every policy why it did or did not apply to a pod, by the code that
// decides: for a pod of the cluster, or, with --dir, of a dev directory, offline.

import { CodedError, invalid } from '../base/errors.ts';
import { type FlagSpecs, type Flags, flagsHelp, parseFlags } from '../base/flags.ts';
import { DEV_WEBHOOK } from '../dev/dev-settings.ts';
import { DevStore } from '../dev/dev-store.ts';
import { readDirectory } from '../dev/manifest-directory.ts';
import { devTrustDomain } from '../dev/trust-domain.ts';
import { explainPod, type PodExplanation } from '../identity/explain.ts';
import { IdentityView } from '../identity/identity-view.ts';
import { CONNECTION_FLAGS, connect } from './cluster/connection.ts';
import { type Loading, loadPod, loadPolicies } from './cluster/identity-objects.ts';
import { installedFlags } from './cluster/installed-flags.ts';
import { ClusterReader, objectAt } from './cluster/reader.ts';
import type { Command, CommandContext } from './command.ts';
import { type PodEvent, podEvents } from './explain-events.ts';
import { type MountState, mountState, mountText } from './explain-mount.ts';
import { eventsText, explainText } from './explain-text.ts';
import { dnsName } from './node-settings.ts';
import { IDENTITY_FLAGS, INSTALLATION_FLAGS, identitySettings } from './offline-view.ts';
import { formatOutput, OUTPUT_FLAG } from './output.ts';
import { printable } from './table.ts';

const FLAGS = {
  namespace: {
    type: 'string',
    short: 'n',
    help: "of the pod; default: the context's, with --dir default",
    value: 'NAME',
  },
  dir: { type: 'string', help: 'directory of manifests, instead of a cluster', value: 'DIR' },
  ...OUTPUT_FLAG,
  ...CONNECTION_FLAGS,
  ...INSTALLATION_FLAGS,
  ...IDENTITY_FLAGS,
  help: { type: 'boolean', help: 'print this' },
} as const satisfies FlagSpecs;

/** Of a pod of a cluster; a directory has but the first part. */
export type ClusterExplanation = PodExplanation & {
  readonly mount: MountState;
  readonly events: readonly PodEvent[];
};

export const explainCommand: Command = async (args, context) => {
  const { out, err } = context;
  const { flags, positionals } = parseFlags(args, FLAGS);
  const [target] = positionals;
  if (flags.help || target === undefined || positionals.length > 1) {
    (flags.help ? out : err)(flagsHelp('usage: signet explain pod/NAME [-n NAMESPACE]', FLAGS));
    return flags.help ? 0 : 2;
  }
  if (!target.startsWith('pod/')) throw invalid(`${target}: must be pod/NAME`);
  const name = target.slice('pod/'.length);
  if (flags.dir !== undefined) {
    const explanation = explainOffline({ ...flags, dir: flags.dir }, name, context);
    out(formatOutput(flags.output, explanation, () => explainText(explanation)));
    return 0;
  }
  const explanation = await explainInCluster({ args, name }, context);
  out(
    formatOutput(flags.output, explanation, () =>
      [
        explainText(explanation),
        mountText(explanation.mount).map(printable).join('\n'),
        eventsText(explanation.events),
      ].join('\n\n'),
    ),
  );
  return 0;
};

function explainOffline(
  flags: Flags<typeof FLAGS> & { readonly dir: string },
  name: string,
  { err, clock }: CommandContext,
): PodExplanation {
  const namespace = flags.namespace ?? 'default';
  const { objects, errors } = readDirectory(flags.dir);
  const trustDomain = devTrustDomain(flags['trust-domain'], objects);
  const settings = identitySettings({ ...flags, 'trust-domain': trustDomain });
  const store = new DevStore({ identity: settings, webhook: DEV_WEBHOOK });
  const view = new IdentityView(settings);
  const { changes, notices, warnings } = store.apply(objects);
  for (const line of [...errors, ...warnings, ...notices]) err(`! ${printable(line)}`);
  for (const change of changes) view.apply(change);
  return explained(view, { namespace, name }, clock.now());
}

async function explainInCluster(
  { args, name }: { readonly args: readonly string[]; readonly name: string },
  context: CommandContext,
): Promise<ClusterExplanation> {
  const { flags: given } = parseFlags(args, FLAGS);
  const { client, namespace: usual } = connect(given, context);
  try {
    const reader = new ClusterReader(client, context.signal);
    const ownNamespace = dnsName('--signet-namespace', given['signet-namespace']);
    const known = Object.keys({ ...IDENTITY_FLAGS, 'driver-name': true });
    const installed = await installedFlags(reader, ownNamespace, known);
    // What was given counts more than what the issuer was told.
    const { flags } = parseFlags([...installed, ...args], FLAGS);
    const view = new IdentityView(identitySettings(flags));
    const warn = (line: string) => context.err(`! ${printable(line)}`);
    const loading: Loading = { view, reader, warn };
    const namespace = flags.namespace ?? usual;
    await loadPolicies(loading);
    const loaded = await loadPod(loading, { namespace, name });
    const explanation = explained(view, { namespace, name }, context.clock.now());
    const pod = loaded?.pod ?? {};
    const labels = objectAt(loaded?.namespace ?? {}, 'metadata', 'labels');
    const driverName = flags['driver-name'];
    return {
      ...explanation,
      mount: mountState(pod, { name: namespace, labels }, { driverName, ownNamespace }),
      events: await podEvents(reader, pod, driverName).catch((thrown: unknown) => {
        const error = CodedError.from(thrown);
        if (error.code !== 'permission-denied') throw thrown;
        warn(error.message);
        return [];
      }),
    };
  } finally {
    client.close();
  }
}

function explained(
  view: IdentityView,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  now: number,
): PodExplanation {
  const uid = view.podUid(namespace, name);
  const explanation = uid === undefined ? undefined : explainPod(view, uid, now);
  if (explanation !== undefined) return explanation;
  throw invalid(`pod/${name}: no such pod in namespace ${namespace}`);
}
