// What is kept of a pod: what the program itself reads, and exactly what policies can name. A field
// that was left out would render as if it were empty, which is another identity: so what is not
// understood is kept whole.

import { CONFLICTS_ANNOTATION } from '../../base/pod-annotations.ts';
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  ownValue,
} from '../../template/json-value.ts';
import { DATA_TYPE } from '../../template/template-data.ts';

export type PodNeeds = {
  /** Go paths, as templates have them: `PodMeta.Annotations`, `PodSpec.Containers`. */
  readonly fields: ReadonlySet<string>;
  /** Whether images and numbers of containers count. */
  readonly images: boolean;
};

export const NO_NEEDS: PodNeeds = { fields: new Set(), images: false };

/** What is kept below a value: all of it, or members by name. */
type Tree = 'all' | Map<string, Tree>;

const MIRROR = 'kubernetes.io/config.mirror';
const ALWAYS: readonly (readonly string[])[] = [
  ['metadata', 'name'],
  ['metadata', 'namespace'],
  ['metadata', 'uid'],
  ['metadata', 'resourceVersion'],
  ['metadata', 'labels'],
  ['metadata', 'ownerReferences'],
  ['metadata', 'deletionTimestamp'],
  ['metadata', 'deletionGracePeriodSeconds'],
  ['metadata', 'annotations', MIRROR],
  ['metadata', 'annotations', CONFLICTS_ANNOTATION],
  ['spec', 'nodeName'],
  ['spec', 'serviceAccountName'],
  ['status', 'phase'],
];
const IMAGES: readonly (readonly string[])[] = [
  ['spec', 'containers', 'image'],
  ['spec', 'initContainers', 'image'],
];
const ROOTS: ReadonlyMap<string, string> = new Map([
  ['PodMeta', 'metadata'],
  ['PodSpec', 'spec'],
]);

export class PodProjection {
  readonly #needs: PodNeeds;
  readonly #tree: Tree = new Map();
  readonly #driverName: string;

  /** Of the volumes only those of the driver are kept, unless a policy reads them. */
  constructor(needs: PodNeeds, driverName: string) {
    this.#needs = needs;
    this.#driverName = driverName;
    const named = [...needs.fields].map(jsonPath).filter((path) => path !== undefined);
    for (const path of [...ALWAYS, ...(needs.images ? IMAGES : []), ...named]) {
      addPath(this.#tree, path);
    }
  }

  /** Whether pods that are kept by this one have all that `needs` names. */
  covers(needs: PodNeeds): boolean {
    if (needs.images && !this.#needs.images) return false;
    return [...needs.fields].every((field) => {
      const path = jsonPath(field);
      return path === undefined || this.#hasAll(path);
    });
  }

  readonly project = (pod: JsonObject): JsonObject => {
    const kept = keep(pod, this.#tree);
    if (!isJsonObject(kept) || this.#hasAll(['spec', 'volumes']))
      return isJsonObject(kept) ? kept : {};
    const spec = ownValue(pod, 'spec');
    const volumes = this.#ownVolumes(isJsonObject(spec) ? ownValue(spec, 'volumes') : undefined);
    const keptSpec = ownValue(kept, 'spec');
    if (volumes.length === 0 || !isJsonObject(keptSpec)) return kept;
    return { ...kept, spec: { ...keptSpec, volumes } };
  };

  #hasAll(path: readonly string[]): boolean {
    let at: Tree | undefined = this.#tree;
    for (const name of path) {
      if (at === 'all' || at === undefined) break;
      at = at.get(name);
    }
    return at === 'all';
  }

  #ownVolumes(volumes: JsonValue | undefined): readonly JsonObject[] {
    if (!Array.isArray(volumes)) return [];
    return (volumes as readonly JsonValue[]).filter(isJsonObject).filter((volume) => {
      const csi = ownValue(volume, 'csi');
      return isJsonObject(csi) && ownValue(csi, 'driver') === this.#driverName;
    });
  }
}

export function unionOf(all: Iterable<PodNeeds>): PodNeeds {
  const fields = new Set<string>();
  let images = false;
  for (const needs of all) {
    for (const field of needs.fields) fields.add(field);
    images ||= needs.images;
  }
  return { fields, images };
}

/** Where a Go path leads in the JSON of a pod; undefined when it leads elsewhere. */
function jsonPath(goPath: string): readonly string[] | undefined {
  const [root = '', ...names] = goPath.split('.');
  const start = ROOTS.get(root);
  if (start === undefined) return undefined;
  const path = [start];
  let type = DATA_TYPE.field(root)?.at(-1)?.type;
  for (const name of names) {
    const struct = type?.kind === 'pointer' ? type.elem : type;
    // Elements of lists and maps, and what looks like a struct only in Go, count as the whole.
    if (struct === undefined || struct.kind !== 'struct' || struct.opaque) break;
    const steps = struct.field(name);
    if (steps === undefined) break;
    for (const { json } of steps) if (json !== undefined) path.push(json);
    type = steps.at(-1)?.type;
  }
  return path;
}

function addPath(tree: Tree, path: readonly string[]): void {
  let at = tree;
  path.forEach((name, index) => {
    if (at === 'all') return;
    const isEnd = index === path.length - 1;
    const below = at.get(name);
    const next: Tree = isEnd || below === 'all' ? 'all' : (below ?? new Map());
    at.set(name, next);
    at = next;
  });
}

/** Whatever is on the way to something kept stays, empty or not: its presence shows. */
function keep(value: JsonValue, tree: Tree): JsonValue {
  if (tree === 'all') return value;
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map((each) => keep(each, tree));
  if (!isJsonObject(value)) return value;
  const kept: [string, JsonValue][] = [];
  for (const [name, below] of tree) {
    const member = ownValue(value, name);
    if (member !== undefined) kept.push([name, keep(member, below)]);
  }
  return Object.fromEntries(kept);
}
