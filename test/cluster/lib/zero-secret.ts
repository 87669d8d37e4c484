// The example manifests/examples/zero-secret-agent in a cluster that can pull no image: its manifests as
// they are but for the trust domain, and each container with what stands for its image. A server is the
// program of this machine, which the node's pods can mount; the agent is its own code, in one file.

import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { parseAllDocuments } from 'yaml';
import { installed } from '../../conformance/npm/installed.ts';
import { AGENT_IMAGE, ROOT } from './images.ts';
import type { KubeObject } from './kube-object.ts';
import { TRUST_DOMAIN } from './signet.ts';

export const EXAMPLE = join(ROOT, 'manifests/examples/zero-secret-agent');
const OUT = join(ROOT, 'dist/zero-secret');
/** A user that the image of the tests knows; the images that the manifests name have others. */
const USER = 1000;

export type Container = {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly env?: readonly object[];
  readonly volumeMounts?: readonly object[];
};
/** What stands for an image: more of the container, and folders of the machine by mount path. */
export type StandIn = {
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly folders: Readonly<Record<string, string>>;
};
export type StandIns = Readonly<Record<string, StandIn>>;

type PodSpec = {
  readonly containers: readonly Container[];
  readonly volumes?: readonly object[];
  readonly securityContext?: object;
};

/** Programs of this machine with their libraries. */
export const MACHINE = { '/usr': '/usr', '/lib': '/usr/lib', '/lib64': '/usr/lib64' } as const;

/** All objects of the example's files, in their order. */
export function exampleObjects(standIns: StandIns): readonly KubeObject[] {
  const files = readdirSync(EXAMPLE).filter((name) => name.endsWith('.yaml'));
  return files.toSorted().flatMap((name) => {
    const text = readFileSync(join(EXAMPLE, name), 'utf8').replaceAll('example.org', TRUST_DOMAIN);
    return parseAllDocuments(text).map((document) => {
      const object = document.toJS() as KubeObject;
      const template = templateOf(object);
      if (template === undefined) return object;
      const spec = withStandIns(template.spec, standIns);
      return {
        ...object,
        spec: { ...(object['spec'] as object), template: { ...template, spec } },
      };
    });
  });
}

/** A bare pod of a Deployment's template, as another account. */
export function podOf(
  objects: readonly KubeObject[],
  deployment: string,
  account: string,
): KubeObject {
  const isIt = ({ kind, metadata }: KubeObject) =>
    kind === 'Deployment' && metadata.name === deployment;
  const found = objects.find(isIt);
  const template = found && templateOf(found);
  if (found === undefined || template === undefined) throw new Error(`no Deployment ${deployment}`);
  const { annotations = {} } = template.metadata;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: account, namespace: found.metadata.namespace ?? '', annotations },
    spec: { ...template.spec, serviceAccountName: account },
  };
}

type Template = { readonly metadata: KubeObject['metadata']; readonly spec: PodSpec };

function templateOf({ spec }: KubeObject): Template | undefined {
  return (spec as { readonly template?: Template } | undefined)?.template;
}

function withStandIns(spec: PodSpec, standIns: StandIns): object {
  const folders = new Map<string, string>();
  const containers = spec.containers.map((container) => {
    const standIn = standIns[container.image];
    if (standIn === undefined) throw new Error(`nothing stands for image ${container.image}`);
    const mounts = Object.entries(standIn.folders).map(([mountPath, path]) => {
      const name = `stand-in-${path.replaceAll(/[^a-z0-9]+/gi, '-').replaceAll(/^-|-$/g, '')}`;
      folders.set(name.toLowerCase(), path);
      return { name: name.toLowerCase(), mountPath, readOnly: true };
    });
    const env = Object.entries(standIn.env ?? {}).map(([name, value]) => ({ name, value }));
    return {
      ...container,
      image: AGENT_IMAGE,
      imagePullPolicy: 'Never',
      ...(standIn.command === undefined ? {} : { command: standIn.command }),
      env: [...(container.env ?? []), ...env],
      volumeMounts: [...(container.volumeMounts ?? []), ...mounts],
    };
  });
  const user = { runAsUser: USER, runAsGroup: USER, fsGroup: USER };
  return {
    ...spec,
    terminationGracePeriodSeconds: 2,
    securityContext: { ...spec.securityContext, ...user },
    containers,
    volumes: [
      ...(spec.volumes ?? []),
      ...[...folders].map(([name, path]) => ({ name, hostPath: { path } })),
    ],
  };
}

/** The folder with the example's agents, each with the SDKs it uses in it. */
export async function bundledExample(): Promise<string> {
  mkdirSync(OUT, { recursive: true });
  await build({
    absWorkingDir: ROOT,
    entryPoints: ['agent.ts', 'editor.ts'].map((name) => join(EXAMPLE, 'agent', name)),
    outdir: OUT,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    conditions: ['source'],
    nodePaths: [join(await installed(), 'node_modules')],
    external: ['pg-native'],
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    logLevel: 'warning',
  });
  return OUT;
}
