// The programs a cluster is made of that no Debian package brings, built by the ordinary Go client
// from pinned versions, and kept in the tool cache.

import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './commands.ts';
import { cached } from './tool-cache.ts';

const SOURCES = join(import.meta.dirname, '../kubernetes');
const ETCD_SOURCES = join(import.meta.dirname, '../etcd');
const KUBERNETES = { version: 'v1.36.3', major: '1', minor: '36' };
const COREDNS = 'github.com/coredns/coredns@v1.15.0';
const HELM = 'helm.sh/helm/v3/cmd/helm@v3.21.4';
/** Kubernetes takes five minutes on two cores from nothing. */
const BUILD_MS = 1_800_000;

export type Tools = {
  /** One binary; the name it is called by picks the component. */
  readonly kubernetes: string;
  readonly etcd: string;
  readonly coredns: string;
  readonly helm: string;
  readonly pause: string;
};

export async function ensureTools(): Promise<Tools> {
  const go = await goVersion();
  // One after the other: each build uses all processors by itself.
  const kubernetes = await kubernetesBinary(go);
  const etcd = await etcdBinary(go);
  const coredns = await installed({ name: 'coredns', module: COREDNS, go });
  const helm = await installed({ name: 'helm', module: HELM, go });
  return { kubernetes, etcd, coredns, helm, pause: await pauseBinary() };
}

export async function goVersion(): Promise<string> {
  return (await run(['go', 'env', 'GOVERSION', 'GOOS', 'GOARCH'], { env: goEnv() })).trim();
}

/** Builds the main package of a folder without cgo, so that it runs in any image. */
export async function buildStatic(folder: string, target: string): Promise<void> {
  const env = goEnv({ CGO_ENABLED: '0' });
  const argv = ['go', 'build', '-trimpath', '-ldflags=-s -w', '-o', target, '.'];
  await run(argv, { cwd: folder, env, timeoutMs: BUILD_MS });
}

async function kubernetesBinary(go: string): Promise<string> {
  const { version, major, minor } = KUBERNETES;
  const set = (name: string, value: string): string =>
    `-X k8s.io/component-base/version.${name}=${value}`;
  const flags = [set('gitVersion', version), set('gitMajor', major), set('gitMinor', minor)];
  const ldflags = `-s -w ${flags.join(' ')}`;
  return await cached({
    name: 'kubernetes',
    from: [go, ldflags],
    files: ['go.mod', 'go.sum', 'kubernetes.go'].map((file) => join(SOURCES, file)),
    make: async (target) => {
      note('building Kubernetes (minutes, once)');
      const argv = ['go', 'build', '-trimpath', '-ldflags', ldflags, '-o', target, 'kubernetes.go'];
      await run(argv, { cwd: SOURCES, env: goEnv(), timeoutMs: BUILD_MS });
    },
  });
}

/** Debian's is too old for the API server's streaming lists, which is what most clusters have. */
async function etcdBinary(go: string): Promise<string> {
  return await cached({
    name: 'etcd',
    from: [go],
    files: ['go.mod', 'go.sum', 'etcd.go'].map((file) => join(ETCD_SOURCES, file)),
    make: async (target) => await buildStatic(ETCD_SOURCES, target),
  });
}

type Module = { readonly name: string; readonly module: string; readonly go: string };

async function installed({ name, module, go }: Module): Promise<string> {
  return await cached({
    name,
    from: [go, module],
    make: async (target, scratch) => {
      note(`building ${name} (minutes, once)`);
      const env = goEnv({ GOBIN: join(scratch, 'bin') });
      await run(['go', 'install', module], { cwd: scratch, env, timeoutMs: BUILD_MS });
      renameSync(join(scratch, 'bin', name), target);
    },
  });
}

async function pauseBinary(): Promise<string> {
  const source = join(SOURCES, 'pause.c');
  return await cached({
    name: 'pause',
    from: [],
    files: [source],
    make: async (target) => {
      await run(['gcc', '-Os', '-static', '-s', '-o', target, source]);
    },
  });
}

function goEnv(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return { ...process.env, GOTOOLCHAIN: 'local', GOWORK: 'off', ...extra };
}

function note(line: string): void {
  process.stderr.write(`${line}\n`);
}
