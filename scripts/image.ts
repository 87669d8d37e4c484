// Makes dist/signet-image.tar without Docker: the program, Node.js with the libraries it is linked to,
// and nothing else. `docker load`, `ctr image import` and `kind load image-archive` take it.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { VERSION } from '../src/version.ts';
import { buildProgram } from './build.ts';
import { type TarEntry, writeTar } from './image-tar.ts';

const DIST = join(import.meta.dirname, '../dist');
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
const NODE = '/usr/local/bin/node';
const NONROOT = 65_532;
const ACCOUNTS = [`root:x:0:0::/:/none`, `nonroot:x:${NONROOT}:${NONROOT}::/:/none`];
/** What an older libc loads when it looks a name up; newer ones have it inside. */
const NAME_LOOKUP = ['libnss_dns.so.2', 'libnss_files.so.2', 'libresolv.so.2'];

/** As in the Dockerfile. */
const ENTRYPOINT = [
  NODE,
  '--disable-sigusr1',
  '--disable-proto=throw',
  '--no-addons',
  '/app/signet.mjs',
];

type Layer = { readonly file: string; readonly digest: string };

function baseEntries(): readonly TarEntry[] {
  const program = readFileSync(process.execPath);
  return [
    { name: NODE.slice(1), content: program, mode: 0o755 },
    ...libraries().map((path) => ({
      name: path.slice(1),
      content: readFileSync(path),
      mode: 0o755,
    })),
    { name: 'etc/passwd', content: Buffer.from(`${ACCOUNTS.join('\n')}\n`), mode: 0o644 },
  ];
}

/** As the dynamic linker finds them, itself included. */
function libraries(): readonly string[] {
  const lines = execFileSync('ldd', [process.execPath], { encoding: 'utf8' }).split('\n');
  const linked = lines.flatMap((line) => /(?:=> |^\s*)(\/\S+) \(0x/.exec(line)?.slice(1) ?? []);
  const libc = linked.find((path) => basename(path) === 'libc.so.6');
  const beside = libc === undefined ? [] : NAME_LOOKUP.map((name) => join(dirname(libc), name));
  return [...new Set([...linked, ...beside.filter((path) => existsSync(path))])];
}

async function appEntries(): Promise<readonly TarEntry[]> {
  const directory = join(DIST, 'image');
  rmSync(directory, { recursive: true, force: true });
  // A directory of its own: dist/ may hold chunks of earlier builds.
  await buildProgram(directory);
  const files = globSync(['**/*.mjs', '**/*.LEGAL.txt'], { cwd: directory });
  return files.map((name) => ({
    name: `app/${name}`,
    content: readFileSync(join(directory, name)),
    mode: 0o644,
  }));
}

function writeLayer(name: string, entries: readonly TarEntry[]): Layer {
  const file = join(DIST, 'image', `${name}.tar`);
  return { file, ...writeTar(file, entries) };
}

/** The archive that `docker save` writes, with a layer that changes with each build on top. */
async function writeImage(target: string, tag: string) {
  const app = await appEntries();
  const layers = [writeLayer('base', baseEntries()), writeLayer('app', app)];
  const config = JSON.stringify({
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    config: {
      Entrypoint: ENTRYPOINT,
      Env: ['PATH=/usr/local/bin'],
      User: `${NONROOT}:${NONROOT}`,
      WorkingDir: '/',
      Labels: { 'org.opencontainers.image.version': VERSION },
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => `sha256:${digest}`) },
    history: [{ created_by: 'Node.js and its libraries' }, { created_by: 'Signet' }],
  });
  const id = createHash('sha256').update(config).digest('hex');
  const files = layers.map(({ digest }) => `${digest}.tar`);
  const manifest = JSON.stringify([{ Config: `${id}.json`, RepoTags: [tag], Layers: files }]);
  const written = writeTar(target, [
    ...layers.map(({ file, digest }) => ({
      name: `${digest}.tar`,
      content: readFileSync(file),
      mode: 0o644,
    })),
    { name: `${id}.json`, content: Buffer.from(config), mode: 0o644 },
    { name: 'manifest.json', content: Buffer.from(manifest), mode: 0o644 },
  ]);
  rmSync(join(DIST, 'image'), { recursive: true });
  return { id, ...written };
}

if (import.meta.main) {
  mkdirSync(DIST, { recursive: true });
  const target = join(DIST, 'signet-image.tar');
  const tag = `signet:${VERSION}`;
  const { id, size } = await writeImage(target, tag);
  console.log(`${target}: ${tag}, ${Math.round(size / 1e6)} MB, id sha256:${id}`);
}
