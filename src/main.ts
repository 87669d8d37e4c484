// Where the program starts: the first argument names a command, which is loaded only then, so that
// no process holds code of another. Signals become one AbortSignal, failures one line and a code.

import { systemClock } from './base/clock.ts';
import { CodedError } from './base/errors.ts';
import { createLogger } from './base/log.ts';
import type { Command } from './cli/command.ts';
import { startProblems } from './cli/start-checks.ts';

type CommandEntry = {
  readonly help: string;
  readonly load: () => Promise<Command>;
  /** For people on their own machine, who may trace and inspect what they like. */
  readonly isLocal?: boolean;
};

const COMMANDS: ReadonlyMap<string, CommandEntry> = new Map<string, CommandEntry>([
  [
    'node',
    {
      help: 'the node plugin: serve the pods of one node',
      load: async () => (await import('./cli/node.ts')).nodeCommand,
    },
  ],
  [
    'dev',
    {
      help: 'serve identities for a directory of manifests, without a cluster',
      load: async () => (await import('./cli/dev.ts')).devCommand,
      isLocal: true,
    },
  ],
  [
    'issuer',
    {
      help: 'sign identities for the node plugins of a cluster',
      load: async () => (await import('./cli/issuer.ts')).issuerCommand,
    },
  ],
  [
    'controller',
    {
      help: 'answer API servers and keep what is stored in a cluster',
      load: async () => (await import('./cli/controller.ts')).controllerCommand,
    },
  ],
  [
    'authority',
    {
      help: 'keep the authorities of a cluster',
      load: async () => (await import('./cli/authority.ts')).authorityCommand,
    },
  ],
  [
    'render',
    {
      help: 'show what policies would give pods, with nothing applied',
      load: async () => (await import('./cli/render.ts')).renderCommand,
      isLocal: true,
    },
  ],
  [
    'explain',
    {
      help: 'show why a pod has its identities, or none',
      load: async () => (await import('./cli/explain.ts')).explainCommand,
      isLocal: true,
    },
  ],
  [
    'revoke',
    {
      help: 'take identities away, and give them back',
      load: async () => (await import('./cli/revoke.ts')).revokeCommand,
      isLocal: true,
    },
  ],
  [
    'svid',
    {
      help: 'fetch, watch and inspect SVIDs',
      load: async () => (await import('./cli/svid.ts')).svidCommand,
      isLocal: true,
    },
  ],
  [
    'access',
    {
      help: 'lint and explain access policies: who may do what at a service',
      load: async () => (await import('./cli/access.ts')).accessCommand,
      isLocal: true,
    },
  ],
  [
    'audit',
    {
      help: 'say whether audit logs are whole, and who got what',
      load: async () => (await import('./cli/audit.ts')).auditCommand,
      isLocal: true,
    },
  ],
  [
    'bundle',
    {
      help: 'show bundles, and exchange them with other trust domains',
      load: async () => (await import('./cli/bundle.ts')).bundleCommand,
      isLocal: true,
    },
  ],
  [
    'oidc',
    {
      help: 'write the OpenID Connect documents of JWT-SVIDs into a directory',
      load: async () => (await import('./cli/oidc.ts')).oidcCommand,
      isLocal: true,
    },
  ],
  [
    'jwt',
    {
      help: 'show what a token says, and what a consumer would say to it',
      load: async () => (await import('./cli/jwt.ts')).jwtCommand,
      isLocal: true,
    },
  ],
  [
    'check',
    {
      help: 'say what a cluster lacks, before or after an installation',
      load: async () => (await import('./cli/check.ts')).checkCommand,
      isLocal: true,
    },
  ],
]);

const USAGE = 2;
const FAILURE = 1;

async function main(): Promise<number> {
  const [name = '--help', ...args] = process.argv.slice(2);
  const command = COMMANDS.get(name);
  if (command === undefined) {
    const isHelp = name === '--help' || name === 'help';
    if (isHelp) process.stdout.write(help());
    else process.stderr.write(`signet: no command ${JSON.stringify(name)}; see signet --help\n`);
    return isHelp ? 0 : USAGE;
  }
  // oxlint-disable-next-line no-process-env -- the one place that reads it
  const environment = process.env;
  if (command.isLocal !== true) {
    const problems = startProblems({ variables: environment, execArgv: process.execArgv });
    for (const line of problems) process.stderr.write(`signet ${name}: will not start: ${line}\n`);
    if (problems.length > 0) return USAGE;
  }
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => stop.abort());
  }
  try {
    const run = await command.load();
    return await run(args, {
      signal: stop.signal,
      clock: systemClock,
      log: createLogger(name),
      out: (text) => process.stdout.write(`${text}\n`),
      err: (text) => process.stderr.write(`${text}\n`),
      environment,
    });
  } catch (thrown) {
    const error = CodedError.from(thrown);
    // A full disk or a missing right is nobody's bug: its own words say it, a stack would not.
    const isBug = error.code === 'internal' && thrown instanceof Error && !('syscall' in thrown);
    const detail = isBug ? thrown.stack : error.message;
    process.stderr.write(`signet ${name}: ${detail}\n`);
    return error.code === 'invalid-argument' ? USAGE : FAILURE;
  }
}

function help(): string {
  const rows = [...COMMANDS].map(([name, { help: text }]) => `  ${name.padEnd(12)}${text}`);
  return ['usage: signet COMMAND [--help]', '', ...rows, ''].join('\n');
}

process.exitCode = await main();
