// The first call waits for what others deliver: authorities that the installation is still making, a
// token that the kubelet has not written yet. Pods are served sockets and the kubelet answers meanwhile.

import type { Clock } from '../base/clock.ts';
import { CodedError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { type IssuerAuthorities, readToken } from './issuer-files.ts';

export type IssuerFiles = {
  readonly authorities: IssuerAuthorities;
  readonly tokenFile: string;
  readonly clock: Clock;
  readonly log: Logger;
};

const LOOK_EVERY_MS = 1000;

/** Makes what resolves once both files are usable, or when aborted. Says once that it waits. */
export function issuerFilesReady(files: IssuerFiles): (signal: AbortSignal) => Promise<void> {
  const { clock, log } = files;
  return async (signal) => {
    let hasSaid = false;
    while (!signal.aborted) {
      const missing = await whatIsMissing(files);
      if (missing === undefined) return;
      if (!hasSaid) log.warn({ message: missing }, 'Waiting for files before calling the issuer');
      hasSaid = true;
      await clock.sleep(LOOK_EVERY_MS, signal);
    }
  };
}

async function whatIsMissing({ authorities, tokenFile }: IssuerFiles): Promise<string | undefined> {
  await authorities.refresh();
  if (authorities.pem === undefined) return 'issuer authorities';
  try {
    await readToken(tokenFile);
    return undefined;
  } catch (thrown) {
    return CodedError.from(thrown).message;
  }
}
