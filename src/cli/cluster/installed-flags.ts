// How the issuer of a cluster was told to decide, so that a command decides the same: its flags, as
// its Deployment has them.

import { segment } from '../../kube/kube-client.ts';
import type { JsonObject } from '../../template/json-value.ts';
import { type ClusterReader, objectAt, objectsIn, textsIn } from './reader.ts';

/** Those of the flags `names` that the issuer was started with, as `--name=value`. */
export async function installedFlags(
  reader: ClusterReader,
  namespace: string,
  names: readonly string[],
): Promise<readonly string[]> {
  const path = `/apis/apps/v1/namespaces/${segment(namespace)}/deployments/signet-issuer`;
  return flagsOf(await reader.get(path), names);
}

export function flagsOf(
  deployment: JsonObject | undefined,
  names: readonly string[],
): readonly string[] {
  const spec = objectAt(deployment ?? {}, 'spec', 'template', 'spec');
  const words = objectsIn(spec, 'containers').flatMap((each) => [
    ...textsIn(each, 'command'),
    ...textsIn(each, 'args'),
  ]);
  return words.flatMap((word, at) => {
    const [, name = '', value] = /^--([a-z-]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (!names.includes(name)) return [];
    const next = words[at + 1];
    const given = value ?? (next === undefined || next.startsWith('--') ? undefined : next);
    // What a variable of the pod would say is not known here.
    if (given?.includes('$(') === true) return [];
    return [given === undefined ? `--${name}` : `--${name}=${given}`];
  });
}
