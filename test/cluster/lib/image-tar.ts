// Container images without Docker: an archive that `ctr image import` loads, with one layer for each
// folder. Layers that two images share are stored once on a node.

import { createHash } from 'node:crypto';
import { createReadStream, linkSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './commands.ts';

export type Image = {
  readonly tag: string;
  /** Tars, the lowest first. */
  readonly layers: readonly string[];
  readonly entrypoint: readonly string[];
  /** `uid:gid`; root without it. */
  readonly user?: string;
};

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
/** The same folder gives the same bytes, so that its layer keeps its name. */
const REPRODUCIBLE = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mtime=@0'];
const TAR_MS = 120_000;

/** A layer of everything in a folder. */
export async function writeLayer(folder: string, target: string): Promise<void> {
  await run(['tar', ...REPRODUCIBLE, '-cf', target, '-C', folder, '.'], { timeoutMs: TAR_MS });
}

/** `scratch` is an empty folder on the file system of the layers. */
export async function writeImage(image: Image, target: string, scratch: string): Promise<void> {
  const parts = join(scratch, 'parts');
  mkdirSync(parts);
  const digests: string[] = [];
  for (const layer of image.layers) {
    const digest = await digestOf(layer);
    linkSync(layer, join(parts, `${digest}.tar`));
    digests.push(digest);
  }
  const config = JSON.stringify({
    architecture: ARCHITECTURES[process.arch],
    os: 'linux',
    config: {
      Entrypoint: image.entrypoint,
      Env: ['PATH=/usr/local/bin:/usr/bin:/bin'],
      ...(image.user === undefined ? {} : { User: image.user }),
    },
    rootfs: { type: 'layers', diff_ids: digests.map((digest) => `sha256:${digest}`) },
  });
  const configName = `${createHash('sha256').update(config).digest('hex')}.json`;
  writeFileSync(join(parts, configName), config);
  const Layers = digests.map((digest) => `${digest}.tar`);
  const manifest = [{ Config: configName, RepoTags: [image.tag], Layers }];
  writeFileSync(join(parts, 'manifest.json'), JSON.stringify(manifest));
  await run(['tar', ...REPRODUCIBLE, '-cf', target, '-C', parts, '.'], { timeoutMs: TAR_MS });
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(file)) hash.update(part as Buffer);
  return hash.digest('hex');
}
