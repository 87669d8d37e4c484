// Credentials from a program (client.authentication.k8s.io): it is run without a shell, with its own
// variables, an end in time and in size; what it prints is never shown.

import { spawn } from 'node:child_process';
import { CodedError } from '../../base/errors.ts';
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  ownValue,
} from '../../template/json-value.ts';
import type { ClientCertificate } from '../kube-access.ts';
import type { ExecConfig } from './kubeconfig.ts';

export type ExecCredential = {
  readonly token?: string;
  readonly certificate?: ClientCertificate;
  /** Milliseconds since the epoch; undefined: for as long as the process lives. */
  readonly expiresAt: number | undefined;
};

export type ExecSurroundings = {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Whether somebody could answer a question. */
  readonly isTerminal: boolean;
  /** For plugins that ask to be told. */
  readonly cluster: JsonObject;
  readonly timeoutMs?: number;
};

const TIMEOUT_MS = 60_000;
/** Somebody has to open a browser and log in. */
const INTERACTIVE_TIMEOUT_MS = 300_000;
const MAX_OUTPUT_BYTES = 1024 * 1024;

/** Runs the program; throws `unauthenticated` naming it, and never anything it printed. */
export async function runExecPlugin(
  config: ExecConfig,
  surroundings: ExecSurroundings,
): Promise<ExecCredential> {
  const { command, interactive } = config;
  const asks = interactive !== 'Never' && surroundings.isTerminal;
  if (interactive === 'Always' && !asks) throw failed(command, 'needs a terminal');
  const output = await run(config, surroundings, asks);
  let answer: JsonValue;
  try {
    answer = JSON.parse(output) as JsonValue;
  } catch {
    throw failed(command, 'printed no JSON');
  }
  return readAnswer(config, answer);
}

async function run(
  config: ExecConfig,
  surroundings: ExecSurroundings,
  interactive: boolean,
): Promise<string> {
  const { command, args, apiVersion, env, provideClusterInfo, installHint } = config;
  const spec = { interactive, ...(provideClusterInfo ? { cluster: surroundings.cluster } : {}) };
  const info = JSON.stringify({ apiVersion, kind: 'ExecCredential', spec });
  const usual = interactive ? INTERACTIVE_TIMEOUT_MS : TIMEOUT_MS;
  return await new Promise((resolve, reject) => {
    const child = spawn(command, [...args], {
      env: { ...surroundings.environment, ...Object.fromEntries(env), KUBERNETES_EXEC_INFO: info },
      // Its standard error is for the person in front: a link to log in, most of the time.
      stdio: [interactive ? 'inherit' : 'ignore', 'pipe', 'inherit'],
      timeout: surroundings.timeoutMs ?? usual,
      killSignal: 'SIGKILL',
      shell: false,
      windowsHide: true,
    });
    const chunks: Buffer[] = [];
    let size = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_OUTPUT_BYTES) child.kill('SIGKILL');
      else chunks.push(chunk);
    });
    child.on('error', () => {
      const hint = installHint === '' ? '' : `; ${installHint}`;
      reject(failed(command, `cannot be run${hint}`));
    });
    child.on('close', (code) => {
      if (size > MAX_OUTPUT_BYTES)
        reject(failed(command, `printed over ${MAX_OUTPUT_BYTES} bytes`));
      else if (code === null) reject(failed(command, 'took too long, or was killed'));
      else if (code !== 0) reject(failed(command, `ended with code ${code}`));
      else resolve(Buffer.concat(chunks).toString('utf8'));
    });
  });
}

function readAnswer({ command, apiVersion }: ExecConfig, answer: JsonValue): ExecCredential {
  if (!isJsonObject(answer) || text(answer, 'kind') !== 'ExecCredential') {
    throw failed(command, 'printed no ExecCredential');
  }
  if (text(answer, 'apiVersion') !== apiVersion) {
    throw failed(command, `answered in another version than ${apiVersion}`);
  }
  const given = ownValue(answer, 'status');
  const status = isJsonObject(given) ? given : {};
  const [token, cert, key] = ['token', 'clientCertificateData', 'clientKeyData'].map((name) =>
    text(status, name),
  ) as [string, string, string];
  if ((cert === '') !== (key === '')) throw failed(command, 'gave a certificate without its key');
  if (token === '' && cert === '') throw failed(command, 'gave neither token nor certificate');
  const expiry = Date.parse(text(status, 'expirationTimestamp'));
  return {
    ...(token === '' ? {} : { token }),
    ...(cert === '' ? {} : { certificate: { cert, key } }),
    expiresAt: Number.isNaN(expiry) ? undefined : expiry,
  };
}

function failed(command: string, what: string): CodedError {
  return new CodedError('unauthenticated', `kubeconfig: exec plugin ${command} ${what}`);
}

function text(object: JsonObject, key: string): string {
  const value = ownValue(object, key);
  return typeof value === 'string' ? value : '';
}
