// What policies in files would make of the pods of a cluster, among the policies that are there.

import type { Flags } from '../base/flags.ts';
import { isIdentityObject } from '../dev/kinds.ts';
import type { ManifestObject } from '../dev/read-manifests.ts';
import { IdentityView } from '../identity/identity-view.ts';
import type { JsonObject } from '../template/json-value.ts';
import { type CONNECTION_FLAGS, connect } from './cluster/connection.ts';
import { loadPods, loadPolicies } from './cluster/identity-objects.ts';
import { installedFlags } from './cluster/installed-flags.ts';
import { ClusterReader, nameOf, objectAt, textAt } from './cluster/reader.ts';
import type { CommandContext } from './command.ts';
import { dnsName } from './node-settings.ts';
import { IDENTITY_FLAGS, type INSTALLATION_FLAGS, identitySettings } from './offline-view.ts';

type RenderFlags = Flags<
  typeof CONNECTION_FLAGS & typeof INSTALLATION_FLAGS & typeof IDENTITY_FLAGS
> & {
  readonly namespace: string | undefined;
};

export type RenderOrder = {
  /** The flags that were given, under those that the issuer was started with. */
  readonly flagsOver: (installed: readonly string[]) => RenderFlags;
  /** From files. */
  readonly objects: readonly ManifestObject[];
  readonly warn: (line: string) => void;
};

/** A view of the cluster as it would be with the objects applied. */
export async function clusterView(
  { flagsOver, objects, warn }: RenderOrder,
  context: CommandContext,
): Promise<IdentityView> {
  const given = flagsOver([]);
  const { client } = connect(given, context);
  try {
    const reader = new ClusterReader(client, context.signal);
    const ownNamespace = dnsName('--signet-namespace', given['signet-namespace']);
    const flags = flagsOver(
      await installedFlags(reader, ownNamespace, Object.keys(IDENTITY_FLAGS)),
    );
    const view = new IdentityView(identitySettings(flags));
    const loading = { view, reader, warn };
    const stored = await loadPolicies(loading);
    for (const each of objects) {
      if (!isIdentityObject(each)) {
        warn(`skipped: ${each.kind} ${each.name}`);
        continue;
      }
      const { kind, namespace, name, source } = each;
      const object =
        kind === 'ClusterSPIFFEID' || kind === 'ClusterStaticEntry'
          ? asApplied(each.object, stored.get(`${kind}/${name}`), context)
          : each.object;
      const errors = view.apply({ kind, namespace, name, object });
      for (const error of errors) warn(`${source}: ${kind} ${name}: ${error}`);
    }
    await loadPods(loading, given.namespace);
    return view;
  } finally {
    client.close();
  }
}

/** An edit keeps the age and UID of what is stored; what is new is the youngest. */
function asApplied(
  object: JsonObject,
  stored: JsonObject | undefined,
  { clock }: CommandContext,
): JsonObject {
  const known = objectAt(stored ?? {}, 'metadata');
  const creationTimestamp =
    textAt(known, 'creationTimestamp') || new Date(clock.now()).toISOString();
  const uid = textAt(known, 'uid') || `new-${nameOf(object)}`;
  return { ...object, metadata: { ...objectAt(object, 'metadata'), uid, creationTimestamp } };
}
