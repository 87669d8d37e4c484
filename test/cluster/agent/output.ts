// What agents print, and what they say of an SVID.

import { X509Certificate } from 'node:crypto';
import { writeSync } from 'node:fs';
import type { X509Svid } from '../../../client/src/index.ts';

/** Synchronous: nothing of it is lost when the process ends. */
export function emit(line: Readonly<Record<string, unknown>>): void {
  writeSync(1, `${JSON.stringify({ at: Date.now(), ...line })}\n`);
}

export function describe({ spiffeId, chain, notAfter }: X509Svid): Record<string, unknown> {
  return { id: spiffeId, serial: serialOf(chain), notAfter };
}

export function serialOf([leaf]: readonly Uint8Array[]): string {
  return leaf === undefined ? '' : new X509Certificate(leaf).serialNumber;
}
