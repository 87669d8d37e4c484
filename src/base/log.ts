// One logger, one call form: log.info({ podUid, spiffeId }, 'Issued X.509-SVID').
// Messages are constant; variables are fields of the vocabulary below. Secrets never get here:
// types that hold them print a placeholder, and the redaction list is the second fence.

import { type DestinationStream, pino } from 'pino';

/** The vocabulary. A misspelt key is a compile error; the same thing has one name everywhere. */
export type LogFields = {
  component?: string;
  pod?: string;
  namespace?: string;
  podUid?: string;
  serviceAccount?: string;
  node?: string;
  policy?: string;
  spiffeId?: string;
  trustDomain?: string;
  identity?: string;
  entryId?: string;
  volumeId?: string;
  targetPath?: string;
  path?: string;
  method?: string;
  code?: string;
  serial?: string;
  authorityId?: string;
  notAfter?: string;
  sequence?: number;
  count?: number;
  durationMs?: number;
  attempt?: number;
  requeueMs?: number;
  reason?: string;
  message?: string;
  settings?: Readonly<Record<string, unknown>>;
  err?: unknown;
};

export type LogMethod = (fields: LogFields, message: string) => void;

export type Logger = {
  readonly error: LogMethod;
  readonly warn: LogMethod;
  readonly info: LogMethod;
  readonly debug: LogMethod;
  child(fields: LogFields): Logger;
};

export type LogLevel = 'error' | 'warn' | 'info' | 'debug' | 'silent';

export function createLogger(
  component: string,
  options: { level?: LogLevel; destination?: DestinationStream } = {},
): Logger {
  const settings = {
    level: options.level ?? 'info',
    base: { component },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: ['*.token', '*.key', '*.secrets', '*.authorization', 'token', 'authorization'],
  };
  const logger = options.destination ? pino(settings, options.destination) : pino(settings);
  return logger as unknown as Logger;
}

export const silentLogger: Logger = {
  error: () => {},
  warn: () => {},
  info: () => {},
  debug: () => {},
  child: () => silentLogger,
};
