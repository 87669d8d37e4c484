// One process of a cluster, known by a record on disk: so any process can stop and start it, and a
// tear-down after a crash ends exactly what was started.

import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { CLEAN_ENV, until } from './commands.ts';

type Record = {
  readonly argv: readonly string[];
  readonly pid?: number;
  /** Clock ticks since boot: with the PID, names a process for good. */
  readonly started?: string;
};

/** Longer than anything here takes, but for an API server whose clients hold watches. */
const GRACE_MS = 5000;

export class Component {
  readonly name: string;
  readonly log: string;
  readonly #directory: string;
  readonly #file: string;

  constructor(directory: string, name: string) {
    this.#directory = directory;
    this.name = name;
    this.log = join(directory, 'log', `${name}.log`);
    this.#file = join(directory, 'run', `${name}.json`);
  }

  /** In the order of their start. */
  static all(directory: string): readonly Component[] {
    const run = join(directory, 'run');
    if (!existsSync(run)) return [];
    const names = readdirSync(run).filter((file) => file.endsWith('.json'));
    return names.map((file) => new Component(directory, file.slice(0, -'.json'.length)));
  }

  /** The first start, with the command line that later ones use too. */
  define(argv: readonly string[]): this {
    this.#write({ argv });
    this.start();
    return this;
  }

  start(): void {
    if (this.pid !== undefined) return;
    const { argv } = this.#read();
    const [program = '', ...args] = argv;
    const log = openSync(this.log, 'a', 0o600);
    const child = spawn(program, args, {
      cwd: this.#directory,
      env: CLEAN_ENV,
      // A session of its own: it outlives whoever started it.
      detached: true,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    child.on('error', () => {});
    child.unref();
    if (child.pid === undefined) throw new Error(`${this.name}: ${program} cannot be started`);
    const started = startTime(child.pid);
    this.#write({ argv, pid: child.pid, ...(started === undefined ? {} : { started }) });
  }

  /** Undefined when it does not run. */
  get pid(): number | undefined {
    if (!existsSync(this.#file)) return undefined;
    const { pid, started } = this.#read();
    if (pid === undefined || started === undefined) return undefined;
    return startTime(pid) === started ? pid : undefined;
  }

  /** Resolves once it is gone; one that ignores SIGTERM is killed in the end. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM', graceMs = GRACE_MS): Promise<void> {
    if (!this.signal(signal)) return;
    const gone = (): true | undefined => (this.pid === undefined ? true : undefined);
    try {
      await until(`${this.name} to end`, gone, { timeoutMs: graceMs });
    } catch {
      this.signal('SIGKILL');
      await until(`${this.name} to end`, gone);
    }
  }

  async restart(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    await this.stop(signal);
    this.start();
  }

  /** SIGSTOP and SIGCONT make it hang and go on. False when it does not run. */
  signal(signal: NodeJS.Signals): boolean {
    const { pid } = this;
    if (pid === undefined) return false;
    process.kill(pid, signal);
    return true;
  }

  forget(): void {
    rmSync(this.#file, { force: true });
  }

  /** The end of its log. */
  tail(characters = 4000): string {
    return existsSync(this.log) ? readFileSync(this.log, 'utf8').slice(-characters) : '';
  }

  #read(): Record {
    return JSON.parse(readFileSync(this.#file, 'utf8')) as Record;
  }

  #write(record: Record): void {
    writeFileSync(this.#file, JSON.stringify(record), { mode: 0o600 });
  }
}

/** Of a process that is not a zombie. */
export function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
