// `npm run demo`: the smart city of manifests/examples, with local processes for its agents. Every
// identity, certificate, socket and refusal is a real one; the cluster around them is played.

import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../src/base/clock.ts';
import { silentLogger } from '../src/base/log.ts';
import { explainText } from '../src/cli/explain-text.ts';
import { DevEnvironment } from '../src/dev/dev-environment.ts';
import { podLine } from '../src/dev/pod-line.ts';
import { receiptLines } from '../src/dev/receipt.ts';
import { RunDirectory } from '../src/dev/run-directory.ts';
import { explainPod } from '../src/identity/explain.ts';
import { DEFAULT_IDENTITY_SETTINGS } from '../src/identity/settings.ts';
import { parseTrustDomain } from '../src/spiffe/spiffe-id.ts';
import { VERSION } from '../src/version.ts';

const CITY = join(import.meta.dirname, '../manifests/examples/smart-city');
const NAMESPACE = 'smart-city';
/** Short, so that a renewal is worth waiting for; the example itself says 15m. */
const DEMO_TTL = '6s';
const GIVE_UP_MS = 30_000;

const RESTRICTION = `apiVersion: signet.dev/v1alpha1
kind: IdentityRestriction
metadata:
  name: dispatcher-compromised
spec:
  match:
    serviceAccount: emergency-dispatcher
    namespace: ${NAMESPACE}
  suspend: true
  cause: follows instructions from strangers
`;

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
const folder = mkdtempSync(join(tmpdir(), 'signet-demo-'));
const city = join(folder, 'city');
cpSync(CITY, city, { recursive: true });
const policies = join(city, '10-policies.yaml');
writeFileSync(policies, readFileSync(policies, 'utf8').replace('ttl: 15m', `ttl: ${DEMO_TTL}`));

const run = RunDirectory.open({ manifests: city, runDir: join(folder, 'run'), base: folder });
const dev = new DevEnvironment({
  manifests: city,
  run,
  settings: { ...DEFAULT_IDENTITY_SETTINGS, trustDomain: parseTrustDomain('city.example') },
  clock: systemClock,
  log: silentLogger,
  version: VERSION,
  listener: {
    onNotice: (line) => say(`! ${line}`),
    onPod: (pod) => {
      if (!shown.has(pod.decision.pod.uid)) say(`  ${podLine(pod)}`);
      shown.add(pod.decision.pod.uid);
    },
    onPodGone: () => {},
    onRestriction: () => {},
  },
});
const shown = new Set<string>();

try {
  const running = dev.run(stop.signal);
  await Promise.race([tell(), running, givenUp()]);
  stop.abort();
  await running;
} finally {
  stop.abort();
  run.close();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);

async function tell(): Promise<void> {
  title('1. Five pods; every pod that a policy is about gets an identity before it starts');
  const agents = ['traffic-controller', 'emergency-dispatcher', 'traffic-agent', 'power-optimiser'];
  const pods = [...agents.map((name) => `${name}-0`), 'stranger'];
  await until(() => pods.every((pod) => dev.socketOf(NAMESPACE, pod) !== undefined));

  title('2. The dispatcher asks for a green wave over mutual TLS, and gets it');
  const controller = startAgent('traffic-controller', 'traffic-controller-0');
  const port = (await controller.line(/^listening on (\d+)$/))[1] ?? '';
  const dispatcher = startAgent('emergency-dispatcher', 'emergency-dispatcher-0', port);
  await dispatcher.line(/^green wave granted/);

  title(
    '3. The traffic agent may set signals, the optimiser may only read: by policy and SPIFFE ID',
  );
  await startAgent('traffic-agent', 'traffic-agent-0', port).line(/^\/green-wave: refused/);
  await startAgent('power-optimiser', 'power-optimiser-0', port).line(/^\/green-wave: refused/);

  title('4. A pod that no policy is about gets nothing, and a reason');
  await startAgent('stranger', 'stranger').line(/^no identity issued/);
  const stranger = dev.view.podUid(NAMESPACE, 'stranger') ?? '';
  const explanation = explainPod(dev.view, stranger, Date.now());
  if (explanation !== undefined) say(indent(explainText(explanation)));

  title("5. The dispatcher's certificate is renewed; its open connection does not notice");
  await dispatcher.line(/^renewed/);

  title('6. The dispatcher is suspended: one object, and its stream ends within a second');
  writeFileSync(join(city, '90-restriction.yaml'), RESTRICTION);
  const written = Date.now();
  await dispatcher.line(/^identity withdrawn/);
  say(`  ${Date.now() - written} ms after the file was written. The receipt:`);
  await until(() => receipt().every((line) => !line.endsWith('not acknowledged yet')));
  say(indent(receipt().join('\n')));
  controller.end();
}

function receipt(): readonly string[] {
  return receiptLines(dev, 'dispatcher-compromised', Date.now());
}

type RunningAgent = {
  /** The first line that matches, said or still to be said. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  end(): void;
};

function startAgent(script: string, pod: string, ...args: readonly string[]): RunningAgent {
  const file = join(CITY, 'agents', `${script}.ts`);
  const child = spawn(process.execPath, ['--conditions=source', file, ...args], {
    env: {
      ...process.env,
      SPIFFE_ENDPOINT_SOCKET: `unix://${dev.socketOf(NAMESPACE, pod) ?? ''}`,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
    signal: stop.signal,
  });
  child.on('error', () => {});
  let heard = '';
  let wake = Promise.withResolvers<void>();
  child.stdout.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString().trimEnd().split('\n')) say(`  [${script}] ${line}`);
    heard += chunk.toString();
    wake.resolve();
    wake = Promise.withResolvers<void>();
  });
  return {
    line: async (pattern) => {
      for (;;) {
        const found = heard
          .split('\n')
          .map((line) => pattern.exec(line))
          .find((match) => match !== null);
        if (found !== undefined) return found;
        await wake.promise;
      }
    },
    end: () => child.kill(),
  };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await systemClock.sleep(20, stop.signal);
}

async function givenUp(): Promise<never> {
  await systemClock.sleep(GIVE_UP_MS, stop.signal);
  throw new Error(`the demo took longer than ${GIVE_UP_MS / 1000} s`);
}

function title(text: string): void {
  say(`\n${text}`);
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '  ');
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
