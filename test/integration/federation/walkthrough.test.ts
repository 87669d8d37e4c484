// docs/federation.md, "On one machine": its commands, as they are written, run by a shell. Ports alone are
// others, because those of the document may be taken.

import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { X509Source } from '../../../client/src/index.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import { until } from '../process-harness.ts';

const ROOT = join(import.meta.dirname, '../../..');
const PATIENCE_MS = 30_000;

const root = mkdtempSync(join(tmpdir(), 'signet-walk-'));
const running: { readonly child: ChildProcess; readonly out: string[] }[] = [];
const ports = new Map<string, number>();
let commands: readonly string[];

before(async () => {
  for (const written of ['8441', '8442']) ports.set(written, await freePort());
  mkdirSync(join(root, 'bin'));
  const program = `exec "${process.execPath}" --conditions=source "${ROOT}/src/main.ts" "$@"\n`;
  writeFileSync(join(root, 'bin/signet'), `#!/bin/sh\n${program}`, { mode: 0o755 });
  commands = shellBlocks('## On one machine').flatMap((block) => commandsOf(block));
});
after(async () => {
  for (const { child } of running) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    await exit;
  }
  rmSync(root, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

/** The blocks of a section that are for a shell. */
function shellBlocks(heading: string): readonly string[] {
  const text = readFileSync(join(ROOT, 'docs/federation.md'), 'utf8');
  const [, section = ''] = text.split(`${heading}\n`);
  const [own = ''] = section.split('\n## ');
  return [...own.matchAll(/```sh\n([^]*?)```/g)].map(([, block = '']) => block);
}

/** Lines, where a here-document belongs to the line that begins it. */
function commandsOf(block: string): readonly string[] {
  const found = block.match(/^.*<<'(\w+)'\n[^]*?^\1$|^.+$/gm) ?? [];
  return found.map((each) => each.replace(/\b844[12]\b/g, (port) => String(ports.get(port))));
}

const env = () => ({ PATH: `${join(root, 'bin')}:/usr/bin:/bin`, TMPDIR: root });

async function run(command: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    execFile('sh', ['-euc', command], { cwd: root, env: env() }, (error, out, err) => {
      if (error === null) resolve(out);
      else reject(new Error(`${command}: ${err}`));
    });
  });
}

function start(command: string): void {
  const child = spawn('sh', ['-euc', `exec ${command}`], { cwd: root, env: env() });
  const out: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => out.push(chunk.toString()));
  }
  running.push({ child, out });
}

const printed = (index: number) => running[index]?.out.join('') ?? '';

test('a stranger follows the walkthrough, and both sides hand out both bundles', async () => {
  const outputs = new Map<string, string>();
  // Both start at the same time, in terminals of their own; what needs them comes after.
  let started = 0;
  for (const command of commands) {
    if (command.startsWith('signet dev ')) {
      start(command);
      continue;
    }
    for (; started < running.length; started += 1) {
      const index = started;
      await until(() => /SPIFFE_ENDPOINT_SOCKET=/.test(printed(index)), PATIENCE_MS);
    }
    outputs.set(command, await run(command));
    if (command.includes('> federation/east/west.yaml')) {
      for (const index of [0, 1]) {
        await until(() => printed(index).includes('its bundle is served'), PATIENCE_MS);
      }
    }
  }
  assert.equal(running.length, 2);
  assert.ok(printed(0).includes('bundle endpoint spiffe://east.example/signet/bundle-endpoint'));
  const table = outputs.get('signet bundle show --run-dir federation/e') ?? '';
  assert.match(table, /^TRUST DOMAIN +SOURCE/);
  assert.match(table, /^east\.example +own +\d+ +2 +1 /m);
  assert.match(table, /^west\.example +fetched +\d+ +2 +1 /m);
  for (const index of [0, 1]) {
    const [, socket] = /SPIFFE_ENDPOINT_SOCKET=unix:\/\/(\S+)/.exec(printed(index)) ?? [];
    const source = new X509Source({ address: `unix://${socket ?? ''}` });
    try {
      await source.ready(AbortSignal.timeout(PATIENCE_MS));
      for (const name of ['east.example', 'west.example']) {
        const bundle = source.bundleOf(parseTrustDomain(name));
        assert.equal(bundle?.authorities.length, 2, name);
      }
    } finally {
      source.close();
    }
  }
  const shown = [...outputs].find(([command]) => command.includes('--format spiffe'))?.[1] ?? '';
  assert.ok((JSON.parse(shown) as { spiffe_sequence: number }).spiffe_sequence > 0);
});
