// `signet explain pod/NAME`: for every policy why it did or did not apply to a pod of a dev
// directory, by the code that decides. Offline: it reads the manifests, not the running process.

import { invalid } from '../base/errors.ts';
import { type FlagSpecs, flagsHelp, parseFlags } from '../base/flags.ts';
import { DEV_WEBHOOK } from '../dev/dev-settings.ts';
import { DevStore } from '../dev/dev-store.ts';
import { readDirectory } from '../dev/manifest-directory.ts';
import { devTrustDomain } from '../dev/trust-domain.ts';
import { explainPod, type PodExplanation } from '../identity/explain.ts';
import { IdentityView } from '../identity/identity-view.ts';
import type { Run } from '../template/provenance.ts';
import type { Command } from './command.ts';
import { IDENTITY_FLAGS, identitySettings } from './offline-view.ts';
import { formatTable, printable } from './table.ts';

const FLAGS = {
  dir: { type: 'string', help: 'directory of manifests', value: 'DIR' },
  namespace: { type: 'string', short: 'n', default: 'default', help: 'namespace of the pod' },
  output: {
    type: 'choice',
    of: ['table', 'json'],
    short: 'o',
    default: 'table',
    help: 'how to print',
  },
  ...IDENTITY_FLAGS,
  help: { type: 'boolean', help: 'print this' },
} as const satisfies FlagSpecs;

export const explainCommand: Command = async (args, { out, err, clock }) => {
  const { flags, positionals } = parseFlags(args, FLAGS);
  const [target] = positionals;
  if (flags.help || target === undefined || flags.dir === undefined) {
    (flags.help ? out : err)(
      flagsHelp('usage: signet explain pod/NAME -n NAMESPACE --dir DIR', FLAGS),
    );
    return flags.help ? 0 : 2;
  }
  if (!target.startsWith('pod/')) throw invalid(`${target}: must be pod/NAME`);
  const { objects, errors } = readDirectory(flags.dir);
  const trustDomain = devTrustDomain(flags['trust-domain'], objects);
  const settings = identitySettings({ ...flags, 'trust-domain': trustDomain });
  const store = new DevStore({ identity: settings, webhook: DEV_WEBHOOK });
  const view = new IdentityView(settings);
  const { changes, notices, warnings } = store.apply(objects);
  for (const line of [...errors, ...warnings, ...notices]) err(`! ${printable(line)}`);
  for (const change of changes) view.apply(change);
  const uid = view.podUid(flags.namespace, target.slice('pod/'.length));
  const explanation = uid === undefined ? undefined : explainPod(view, uid, clock.now());
  if (explanation === undefined)
    throw invalid(`${target}: no such pod in namespace ${flags.namespace}`);
  out(
    flags.output === 'json' ? JSON.stringify(explanation, undefined, 2) : explainText(explanation),
  );
  return 0;
};

/** An explanation for people. */
export function explainText(explanation: PodExplanation): string {
  const { namespace, pod, identities, refusal, policies } = explanation;
  const head =
    identities.length === 0
      ? [`${namespace}/${pod} has no identity: ${refusal}`]
      : [
          `${namespace}/${pod} has:`,
          ...identities.map(({ spiffeId, policy }) => `  ${spiffeId}  (${policy})`),
        ];
  const rows = policies.map(({ policy, outcome, message }) => [policy, outcome, message]);
  const written = policies
    .filter(({ outcome }) => outcome === 'Served')
    .flatMap(({ policy, provenance = [] }) => [
      '',
      `who could have written the ID of ${policy}:`,
      ...provenance.map((run) => `  ${runText(run)}`),
    ]);
  return [...head, '', formatTable(['POLICY', 'OUTCOME', 'WHY'], rows), ...written].join('\n');
}

const WRITERS: { readonly [from in Run['from']]: string } = {
  operator: 'the operator',
  api: 'the API server',
  author: "the pod's author",
  node: 'the node',
};

function runText({ text, from, source, chosenBy }: Run): string {
  const where = source === undefined ? '' : ` (${source})`;
  const chosen = chosenBy === undefined ? '' : `, chosen by ${WRITERS[chosenBy]}`;
  return `${printable(text)}  ${WRITERS[from]}${where}${chosen}`;
}
