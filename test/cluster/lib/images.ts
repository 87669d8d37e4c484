// The images of the tests: pause, the agents, and Signet itself. All nodes get all of them.

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { run } from './commands.ts';
import { writeImage, writeLayer } from './image-tar.ts';
import { cached } from './tool-cache.ts';
import { buildStatic, goVersion } from './tools.ts';

export const ROOT = join(import.meta.dirname, '../../..');
export const PAUSE_IMAGE = 'signet-test-pause:1';
export const AGENT_IMAGE = 'signet-test-agent:1';

const NODE = join(ROOT, 'node_modules/node/bin/node');
const GO_CLIENT = join(ROOT, 'test/conformance/go-spiffe');
const AGENT = join(import.meta.dirname, '../agent/main.ts');
const HERE = ['images.ts', 'image-tar.ts'].map((file) => join(import.meta.dirname, file));
const BUSYBOX = '/usr/bin/busybox';
const SIGNET_MS = 120_000;

/** Paths of the tars. */
export async function buildImages(pause: string): Promise<readonly string[]> {
  const [first, second, signet] = await Promise.all([
    pauseImage(pause),
    agentImage(),
    signetImage(),
  ]);
  return [first, second, ...signet];
}

async function pauseImage(pause: string): Promise<string> {
  return await cached({
    name: 'pause.tar',
    from: [],
    files: [pause, ...HERE],
    make: async (target, scratch) => {
      const root = join(scratch, 'root');
      put(pause, join(root, 'pause'));
      const layer = join(scratch, 'layer.tar');
      await writeLayer(root, layer);
      const image = { tag: PAUSE_IMAGE, layers: [layer], entrypoint: ['/pause'] };
      await writeImage(image, target, scratch);
    },
  });
}

async function agentImage(): Promise<string> {
  const program = await bundledAgent();
  const goFiles = ['go.mod', 'go.sum', 'main.go', 'traffic.go'].map((file) =>
    join(GO_CLIENT, file),
  );
  return await cached({
    name: 'agent.tar',
    from: [program, await goVersion(), process.version],
    files: [...goFiles, NODE, BUSYBOX, ...HERE],
    make: async (target, scratch) => {
      const root = join(scratch, 'root');
      mkdirSync(join(root, 'app'), { recursive: true });
      writeFileSync(join(root, 'app/agent.mjs'), program);
      await buildStatic(GO_CLIENT, join(root, 'app/go-spiffe'));
      const layers = [join(scratch, 'base.tar'), join(scratch, 'app.tar')] as const;
      await writeBaseLayer(join(scratch, 'base'), layers[0]);
      await writeLayer(root, layers[1]);
      const entrypoint = ['node', '--enable-source-maps', '/app/agent.mjs'];
      await writeImage({ tag: AGENT_IMAGE, layers, entrypoint }, target, scratch);
    },
  });
}

/** Of `npm run image`. */
async function signetImage(): Promise<readonly string[]> {
  const manifest = readFileSync(join(ROOT, 'package.json'), 'utf8');
  const { scripts } = JSON.parse(manifest) as { scripts: Readonly<Record<string, string>> };
  if (scripts['image'] === undefined) return [];
  await run(['npm', 'run', '-s', 'image'], { cwd: ROOT, env: process.env, timeoutMs: SIGNET_MS });
  return [join(ROOT, 'dist/signet-image.tar')];
}

async function bundledAgent(): Promise<string> {
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: [AGENT],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    conditions: ['source'],
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    logLevel: 'warning',
  });
  return outputFiles[0]?.text ?? '';
}

/** Node.js with its libraries, and a shell. */
async function writeBaseLayer(root: string, target: string): Promise<void> {
  put(NODE, join(root, 'usr/local/bin/node'));
  for (const library of await librariesOf(NODE)) put(library, join(root, library));
  put(BUSYBOX, join(root, 'bin/busybox'));
  for (const applet of (await run([BUSYBOX, '--list'])).trim().split('\n')) {
    const link = join(root, 'bin', applet);
    if (!existsSync(link)) symlinkSync('busybox', link);
  }
  mkdirSync(join(root, 'etc'), { recursive: true });
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\nagent:x:1000:1000::/:/bin/sh\n');
  mkdirSync(join(root, 'tmp'), { recursive: true, mode: 0o1777 });
  await writeLayer(root, target);
}

/** As the dynamic linker finds them, itself included. */
async function librariesOf(program: string): Promise<readonly string[]> {
  const lines = (await run(['ldd', program])).split('\n');
  return lines.flatMap((line) => /(?:=> )?(\/\S+) \(0x/.exec(line)?.slice(1) ?? []);
}

function put(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
}
