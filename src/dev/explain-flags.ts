// The command that a refusal names, of a dev run: what makes `signet explain` say the same.

import { resolve } from 'node:path';

/** Those that the run was given, where it was given any. */
export type GivenFlags = {
  readonly trustDomain?: string | undefined;
  readonly profile?: string | undefined;
};

/** As a shell takes it, from wherever it is called. */
export function explainFlags(manifests: string, { trustDomain, profile }: GivenFlags): string {
  const words = ['--dir', resolve(manifests)];
  if (trustDomain !== undefined) words.push('--trust-domain', trustDomain);
  if (profile !== undefined) words.push('--profile', profile);
  return words.map(shellWord).join(' ');
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
