// A folder as an application has it: our package and those of others in its `node_modules`, and the
// compiler's strictest settings for what is written into it.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { installed } from './installed.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const LIMIT_MS = 120_000;
const OURS = {
  '@signet/client': join(ROOT, 'client'),
  '@grpc/grpc-js': join(ROOT, 'node_modules/@grpc/grpc-js'),
  '@types/node': join(ROOT, 'node_modules/@types/node'),
};
const THEIRS = ['@anthropic-ai/sdk', '@aws-sdk/client-s3', '@types/pg', 'pg', 'undici'];

export class Application {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(name: string): Promise<Application> {
    const application = new Application(mkdtempSync(join(tmpdir(), `signet-${name}-`)));
    const packages = join(await installed(), 'node_modules');
    const theirs = Object.fromEntries(THEIRS.map((one) => [one, join(packages, one)]));
    for (const [one, target] of Object.entries({ ...OURS, ...theirs })) {
      const path = join(application.folder, 'node_modules', one);
      mkdirSync(dirname(path), { recursive: true });
      symlinkSync(target, path);
    }
    application.write('package.json', '{"type":"module"}');
    return application;
  }

  write(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  /** What the compiler has against the files; empty when it has nothing. */
  async typeErrors(files: readonly string[]): Promise<string> {
    const settings = readFileSync(join(ROOT, 'tsconfig.json'), 'utf8');
    const { compilerOptions } = JSON.parse(settings) as { readonly compilerOptions: object };
    const unused = { noUnusedLocals: false };
    const all = { compilerOptions: { ...compilerOptions, ...unused }, files };
    this.write('tsconfig.json', JSON.stringify(all));
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    try {
      const args = [tsc, '-p', this.folder];
      await promisify(execFile)(process.execPath, args, { timeout: LIMIT_MS });
      return '';
    } catch (thrown) {
      return String((thrown as { readonly stdout?: string }).stdout ?? thrown);
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
