// The workload of the cluster tests: `agent COMMAND [ARGUMENTS]`. Each command prints JSON lines.

import { claudeApi, exchange } from './claude-api.ts';
import { files } from './files.ts';
import { get } from './get.ts';
import { hold } from './hold.ts';
import { issuer } from './issuer.ts';
import { knock } from './knock.ts';
import { call, serve } from './mutual-tls.ts';
import { oidc } from './oidc.ts';
import { once } from './once.ts';
import { emit } from './output.ts';
import { watch } from './watch.ts';

type Command = (args: readonly string[], stop: AbortSignal) => Promise<number>;

const COMMANDS: Readonly<Record<string, Command>> = {
  'claude-api': claudeApi,
  exchange,
  files,
  get,
  hold,
  issuer,
  oidc,
  once,
  serve,
  call,
  watch,
  knock,
  /** Waits to be ended. */
  idle: async (_args, stop) => {
    emit({ idle: true });
    await new Promise((resolve) => {
      const timer = setInterval(() => {}, 60_000);
      stop.addEventListener('abort', () => resolve(clearInterval(timer)));
    });
    return 0;
  },
};

const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());

const [name = '', ...args] = process.argv.slice(2);
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
if (command === undefined) {
  emit({ error: `no command "${name}"; there are ${Object.keys(COMMANDS).join(', ')}` });
  process.exit(2);
}
process.exit(await command(args, stop.signal));
