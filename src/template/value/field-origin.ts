// Who can write which field. A field is never harder to forge than the struct it is in.

import { type Provenance, weaker } from '../provenance.ts';
import type { Field } from './go-type.ts';
import type { Origin } from './origin.ts';
import type { Value } from './value.ts';

const DATA_FROM: ReadonlyMap<string, Provenance> = new Map([
  ['PodMeta', 'api'],
  ['PodSpec', 'author'],
  ['NodeMeta', 'node'],
  ['NodeSpec', 'node'],
]);

/**
 * What the API server makes of a pod's metadata is `api`. Annotations and finalizers are `node`
 * and not only `author`: a kubelet may change them on every pod bound to its node through
 * `pods/status`, where NodeRestriction compares labels alone and owner references are kept.
 * Managed fields follow all of these. Whatever is not listed is the author's.
 */
const POD_META_FROM: ReadonlyMap<string, Provenance> = new Map([
  ['Namespace', 'api'],
  ['UID', 'api'],
  ['CreationTimestamp', 'api'],
  ['DeletionTimestamp', 'api'],
  ['ResourceVersion', 'api'],
  ['Generation', 'api'],
  ['SelfLink', 'api'],
  ['Annotations', 'node'],
  ['Finalizers', 'node'],
  ['ManagedFields', 'node'],
]);

export function fieldOrigin(of: Value, field: Field): Origin {
  const { origin } = of;
  return {
    from: weaker(origin.from, ownProvenance(of, field)),
    source: { parent: origin.source, step: field.name, isField: true },
    chosenBy: origin.chosenBy,
  };
}

/** Who could write what stands at a path of the data, such as `PodMeta.Labels`, or choose by it. */
export function pathProvenance(path: string): Provenance {
  const [root = '', field] = path.split('.');
  const from = DATA_FROM.get(root) ?? 'operator';
  if (root !== 'PodMeta') return from;
  // Without a field: all of them.
  return weaker(from, field === undefined ? 'node' : (POD_META_FROM.get(field) ?? 'author'));
}

/** The origin of a map's or slice's element; `step` is its key or index. */
export function elementOrigin(of: Origin, step: string | number): Origin {
  return { ...of, source: { parent: of.source, step, isField: false } };
}

function ownProvenance(of: Value, field: Field): Provenance {
  if (of.type.name === 'signet.Data') return DATA_FROM.get(field.name) ?? 'operator';
  if (of.type.name === 'v1.ObjectMeta') return POD_META_FROM.get(field.name) ?? 'author';
  return 'operator';
}
