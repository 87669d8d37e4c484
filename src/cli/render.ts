// `signet render`: what policies would make of pods, with nothing applied: of the pods of a cluster,
// or of saved objects, for pipelines.

import { CodedError } from '../base/errors.ts';
import { type FlagSpecs, flagsHelp, parseFlags } from '../base/flags.ts';
import { validateClusterSpiffeId } from '../crds/admission/validate-cluster-spiffe-id.ts';
import { validateClusterStaticEntry } from '../crds/admission/validate-other-kinds.ts';
import { isIdentityObject } from '../dev/kinds.ts';
import type { ManifestObject } from '../dev/read-manifests.ts';
import type { Entry } from '../identity/candidate.ts';
import type { IdentityView } from '../identity/identity-view.ts';
import type { IndexedPod } from '../identity/indexed-pods.ts';
import { compareText, PARENT_ID_TEMPLATE } from '../identity/policy.ts';
import { candidateMessage, policyFailures } from '../identity/policy-report.ts';
import { type PolicyStatus, policyStatus } from '../identity/policy-status.ts';
import type { Fate } from '../identity/settle.ts';
import { staticPolicyName } from '../identity/static-entry.ts';
import { type StaticEntryStatus, staticEntryStatus } from '../identity/static-entry-status.ts';
import { CONNECTION_FLAGS } from './cluster/connection.ts';
import type { Command } from './command.ts';
import {
  IDENTITY_FLAGS,
  INSTALLATION_FLAGS,
  identitySettings,
  offlineView,
  readObjects,
} from './offline-view.ts';
import { formatOutput, OUTPUT_FLAG } from './output.ts';
import { clusterView } from './render-cluster.ts';
import { renderingText } from './render-text.ts';

const FLAGS = {
  file: { type: 'strings', short: 'f', spreads: true, help: 'policies', value: 'FILE…' },
  objects: {
    type: 'strings',
    spreads: true,
    help: 'pods, namespaces, nodes … as `kubectl get -o json` or YAML has them',
    value: 'FILE…',
  },
  offline: { type: 'boolean', help: 'with no cluster; so it is with --objects' },
  namespace: {
    type: 'string',
    short: 'n',
    help: 'of a cluster: the pods of this one; default: all',
    value: 'NAME',
  },
  ...OUTPUT_FLAG,
  ...CONNECTION_FLAGS,
  ...INSTALLATION_FLAGS,
  ...IDENTITY_FLAGS,
  help: { type: 'boolean', help: 'print this' },
} as const satisfies FlagSpecs;

/** One entry that a policy wins, served or not. TTLs are seconds, 0: not set. */
export type RenderedEntry = {
  readonly policy: string;
  readonly namespace: string;
  readonly pod: string;
  readonly spiffeID: string;
  readonly parentID: string;
  readonly selectors: readonly string[];
  readonly dnsNames: readonly string[];
  /** '' for none. */
  readonly commonName: string;
  readonly x509SVIDTTL: number;
  readonly jwtSVIDTTL: number;
  readonly hint: string;
  readonly federatesWith: readonly string[];
  readonly admin: boolean;
  readonly downstream: boolean;
  readonly served: boolean;
  /** Why it is not served. */
  readonly reason: string;
};

export type RenderedPolicy = {
  readonly name: string;
  /** As it would be written; empty for a policy that is not ours. */
  readonly status: PolicyStatus | StaticEntryStatus | Record<string, never>;
  /** Whether admission would take it. */
  readonly accepted: boolean;
  readonly message: string;
};

export type Rendering = {
  readonly entries: readonly RenderedEntry[];
  readonly policies: readonly RenderedPolicy[];
  readonly failures: readonly {
    readonly policy: string;
    readonly namespace: string;
    readonly pod: string;
    readonly reason: string;
    readonly message: string;
  }[];
};

export const renderCommand: Command = async (args, context) => {
  const { out, err, clock } = context;
  const { flags, positionals } = parseFlags(args, FLAGS);
  if (flags.help || (flags.file.length === 0 && positionals.length === 0)) {
    (flags.help ? out : err)(
      flagsHelp('usage: signet render -f FILE… [--objects FILE… --trust-domain NAME]', FLAGS),
    );
    return flags.help ? 0 : 2;
  }
  const warn = (line: string) => err(`warning: ${line}`);
  let isComplete = true;
  const onError = (line: string) => {
    isComplete = false;
    err(`error: ${line}`);
  };
  const renderOffline = (objects: readonly ManifestObject[]) =>
    render(offlineView(objects, { settings: identitySettings(flags), warn }), objects, clock.now());
  const flagsOver = (installed: readonly string[]) =>
    parseFlags([...installed, ...args], FLAGS).flags;
  const policies = readObjects([...flags.file, ...positionals], onError);
  const isOffline = flags.offline || flags.objects.length > 0;
  const rendering = isOffline
    ? renderOffline([...readObjects(flags.objects, onError), ...policies])
    : ofPolicies(
        policies,
        render(
          await clusterView({ flagsOver, objects: policies, warn }, context),
          policies,
          clock.now(),
        ),
      );
  out(formatOutput(flags.output, rendering, () => renderingText(rendering)));
  // What could be read is shown all the same; a pipeline must not take it for everything.
  return isComplete ? 0 : 1;
};

/** Everything that the policies among `objects` make, in a stable order. */
export function render(
  view: IdentityView,
  objects: readonly ManifestObject[],
  now: number,
): Rendering {
  view.index.settleAll();
  const pods = [...view.index.pods.all];
  return {
    entries: pods
      .flatMap((pod) => entriesOf(view, pod, now))
      .toSorted(
        (a, b) =>
          compareText(a.policy, b.policy) ||
          compareText(a.namespace, b.namespace) ||
          compareText(a.pod, b.pod),
      ),
    policies: [...policyObjects(objects)].map(([name, { kind, name: stored, object }]) => {
      const isStatic = kind === 'ClusterStaticEntry';
      const validate = isStatic ? validateClusterStaticEntry : validateClusterSpiffeId;
      const findings = validate(object, view.index.settings);
      const statusOf = isStatic ? staticEntryStatus : policyStatus;
      return {
        name,
        status: statusOf(view, stored, { previous: [], now }) ?? {},
        accepted: findings.errors.length === 0,
        message: [...findings.errors, ...findings.warnings].join('; '),
      };
    }),
    failures: [...view.index.matcher.slots]
      .toSorted((a, b) => compareText(a.policy.name, b.policy.name))
      .flatMap((slot) =>
        policyFailures(view.index, slot).map((failure) => ({
          policy: slot.policy.name,
          ...failure,
        })),
      ),
  };
}

/** Of what a cluster has, the part that the policies of the files make; of none, all. */
function ofPolicies(objects: readonly ManifestObject[], rendering: Rendering): Rendering {
  const names = new Set(policyObjects(objects).keys());
  const isOfThem = ({ policy }: { readonly policy: string }) =>
    names.size === 0 || names.has(policy);
  return {
    ...rendering,
    entries: rendering.entries.filter(isOfThem),
    failures: rendering.failures.filter(isOfThem),
  };
}

/** The policies by name; of one that is in several files, the last, as the view has it. */
function policyObjects(objects: readonly ManifestObject[]): ReadonlyMap<string, ManifestObject> {
  const policies = objects.filter(isIdentityObject);
  return new Map(
    policies.flatMap((each): readonly [string, ManifestObject][] => {
      if (each.kind === 'ClusterStaticEntry') return [[staticPolicyName(each.name), each]];
      return each.kind === 'ClusterSPIFFEID' ? [[each.name, each]] : [];
    }),
  );
}

const SHOWN: ReadonlySet<Fate> = new Set(['Served', 'SelectorMismatch', 'Undecidable']);

function entriesOf(view: IdentityView, pod: IndexedPod, now: number): readonly RenderedEntry[] {
  return pod.candidates.flatMap((candidate, at) => {
    const fate = pod.fates[at] ?? 'ViewBehind';
    if (candidate.kind !== 'entry' || !SHOWN.has(fate)) return [];
    const { suspendedBy } = view.restrictions.limitsOf(pod.object, candidate, now);
    const served = fate === 'Served' && suspendedBy === undefined;
    const message = candidateMessage(view.index, pod, at);
    const reason = fate === 'Served' ? 'Suspended' : `${fate}: ${message}`;
    return [toEntry(view, pod, { entry: candidate, served, reason: served ? '' : reason })];
  });
}

function toEntry(
  view: IdentityView,
  pod: IndexedPod,
  { entry, served, reason }: { entry: Entry; served: boolean; reason: string },
): RenderedEntry {
  const { policy } = entry;
  return {
    policy: policy.name,
    namespace: pod.object.namespace,
    pod: pod.object.name,
    spiffeID: entry.spiffeId,
    ...(entry.scope === ''
      ? {
          parentID: parentIdOf(view, pod),
          selectors: [`k8s:pod-uid:${pod.object.uid}`, ...entry.selectors],
        }
      : { parentID: entry.scope, selectors: entry.selectors }),
    dnsNames: entry.dnsNames,
    commonName: entry.commonName,
    x509SVIDTTL: policy.x509TtlSeconds,
    jwtSVIDTTL: policy.jwtTtlSeconds,
    hint: policy.hint,
    federatesWith: policy.federatesWith.toSorted(),
    admin: policy.isAdmin,
    downstream: policy.isDownstream,
    served,
    reason,
  };
}

function parentIdOf(view: IdentityView, pod: IndexedPod): string {
  try {
    return PARENT_ID_TEMPLATE.render(view.index.dataOf(pod));
  } catch (thrown) {
    if (CodedError.from(thrown).code === 'invalid-argument') return '';
    throw thrown;
  }
}
